"""The page in a real browser: nothing sticks out, and it has a light, a dark and a printed form."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import zlib

import pytest

from . import pages

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--enable-logging=stderr"),
)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="browser: NOT EXERCISED (no Chromium here)")


def browse(tmp_path, text, *options):
    place = tmp_path / "page.html"
    place.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *options, place.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert ":CONSOLE" not in done.stderr, done.stderr
    return done


def picture(tmp_path, text, width, height, *, dark=False):
    """The pixels of a screenshot: rows of (red, green, blue)."""
    shot = tmp_path / "shot.png"
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    browse(tmp_path, text, f"--screenshot={shot}", f"--window-size={width},{height}", scheme)
    return decoded(shot)


def decoded(path):
    """A PNG of 8-bit RGB or RGBA without interlacing, as Chromium writes them (RFC 2083)."""
    data, place, body = path.read_bytes(), 8, b""
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        chunk = data[place + 8 : place + 8 + size]
        if kind == b"IHDR":
            width, height, depth, color, *_, interlace = struct.unpack(">IIBBBBB", chunk)
            assert (depth, interlace) == (8, 0)
        body += chunk if kind == b"IDAT" else b""
        place += size + 12
    step = {2: 3, 6: 4}[color]
    raw, before, rows = zlib.decompress(body), bytearray(width * step), []
    for number in range(height):
        start = number * (width * step + 1)
        line = bytearray(raw[start + 1 : start + 1 + width * step])
        unfilter(raw[start], line, before, step)
        rows.append([tuple(line[at : at + 3]) for at in range(0, len(line), step)])
        before = line
    return rows


def unfilter(kind, line, before, step):
    for at in range(len(line)):
        left = line[at - step] if at >= step else 0
        up, corner = before[at], before[at - step] if at >= step else 0
        if kind == 1:
            line[at] = (line[at] + left) & 255
        elif kind == 2:
            line[at] = (line[at] + up) & 255
        elif kind == 3:
            line[at] = (line[at] + (left + up) // 2) & 255
        elif kind == 4:
            guess = left + up - corner
            near = min((left, up, corner), key=lambda one: abs(guess - one))
            line[at] = (line[at] + near) & 255


def test_on_a_phone_nothing_sticks_out_whatever_the_data(finished, tmp_path):
    rows = picture(tmp_path, pages.rendered(pages.mismatch(finished.document())), 390, 3_000)
    assert (len(rows), len(rows[0])) == (3_000, 390)
    margin = {row[at] for row in rows for at in (*range(4), *range(386, 390))}
    assert len(margin) <= 2, "something reaches into the margin"
    assert len({pixel for row in rows[::7] for pixel in row}) > 20, "there is nothing on the page"


def test_it_is_light_or_dark_as_the_reader_wishes(finished, tmp_path):
    text = pages.rendered(finished.document())
    light, dark = (
        sum(sum(pixel) for row in picture(tmp_path, text, 900, 700, dark=wish) for pixel in row)
        for wish in (False, True)
    )
    assert light > 3 * dark


@pytest.mark.parametrize("kind", ["mismatch", "large"])
def test_on_paper_it_is_a4_and_whole(finished, tmp_path, kind):
    target = tmp_path / "page.pdf"
    body = pages.kinds(finished.document())[kind]
    browse(tmp_path, pages.rendered(body), "--no-pdf-header-footer", f"--print-to-pdf={target}")
    data = target.read_bytes()
    sizes = {tuple(map(float, box.split()[2:])) for box in boxes(data)}
    assert sizes, "no page is in the file"
    assert all(abs(width - 595) < 2 and abs(height - 842) < 2 for width, height in sizes)


def boxes(data):
    found = re.findall(rb"/MediaBox\s*\[([^\]]+)\]", data)
    return [one.decode() for one in found]
