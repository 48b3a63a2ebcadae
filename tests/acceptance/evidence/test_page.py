"""The page stands alone, says the verdict first, and nothing in the data can do anything to it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from messy_migration import api
from messy_migration.evidence.notation import moment, number, plural, prose, shown

from . import pages

VOID = {"meta", "link", "br", "wbr", "img", "hr", "input"}
SVG = {"rect", "path"}


class Outline(HTMLParser):
    """What a page is made of."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.stack, self.texts, self.faults = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        self.texts.append((tuple(self.stack), data))

    def names(self):
        return {tag for tag, _ in self.tags}

    def text(self):
        found = "".join(data for stack, data in self.texts if "style" not in stack)
        return re.sub(r"[ \n]+", " ", found)


@pytest.fixture(scope="module", params=["match", "mismatch", "unknown", "large", "empty"])
def body(request, finished):
    return pages.kinds(finished.document())[request.param]


@pytest.fixture
def outline(body):
    return Outline(pages.rendered(body))


def test_tags_are_closed_in_order(outline):
    assert (outline.faults, outline.stack) == ([], [])


def test_nothing_comes_from_outside_and_nothing_runs(outline):
    assert outline.names().isdisjoint(
        {"script", "img", "iframe", "object", "embed", "link", "form", "a", "base", "image", "use"}
    )
    for _, attrs in outline.tags:
        assert not [name for name in attrs if name.startswith("on") or name in ("src", "href")]
    policy = [attrs for tag, attrs in outline.tags if attrs.get("http-equiv")]
    assert policy[0]["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    style = "".join(data for stack, data in outline.texts if stack[-1:] == ("style",))
    assert not re.search(r"url\(|@import|expression", style)


def test_the_verdict_comes_first_in_words(body, outline):
    text = outline.text()
    assert text.index(body["verdict"]) < 300
    places = [text.index(title) for title in ("What was proven", "What was not", "What to do next")]
    assert places == sorted(places)
    assert places[-1] < text.index("What is in the target")


def test_headings_go_down_one_by_one_and_tables_have_captions_and_headers(outline):
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    count = [tag for tag, _ in outline.tags]
    assert count.count("table") == count.count("caption") == count.count("thead")
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in outline.tags if tag == "th")


def test_every_chart_says_what_it_shows(outline):
    for place, (tag, attrs) in enumerate(outline.tags):
        if tag == "svg":
            assert attrs["role"] == "img"
            assert outline.tags[place + 1][0] == "title"
    titles = [data for stack, data in outline.texts if stack[-2:] == ("svg", "title")]
    assert all(titles)


def test_the_same_document_gives_the_same_bytes(body):
    assert pages.rendered(body) == pages.rendered(body)


def test_hostile_text_is_shown_and_does_nothing(finished):
    body = pages.mismatch(finished.document())
    found = Outline(pages.rendered(body))
    text = "".join(data for _, data in found.texts)
    for hostile in pages.HOSTILE:
        assert shown(hostile) in text
    html = pages.rendered(body)
    assert "<script" not in html
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08]", html)


def test_every_difference_is_listed_and_those_that_are_not_are_counted(finished):
    body = pages.mismatch(finished.document())
    text = Outline(pages.rendered(body)).text()
    assert "1\u202f204 rows differ" in text
    assert "and 1\u202f198 rows more, counted and not listed" in text
    assert "points could be: rounding (1\u202f100)" in text
    assert "512\u202f330.50" in text
    assert "SELECT setval('people_id_seq', 5000)" in text


def test_charts_follow_the_figures(finished):
    found = Outline(pages.rendered(pages.large(finished.document())))
    titles = [data for stack, data in found.texts if stack[-2:] == ("svg", "title")]
    title = next(one for one in titles if "stream_of_some_kind_03" in one)
    assert "123\u202f456\u202f789 extracted, 100\u202f000\u202f000 loaded" in title
    bars = [attrs for tag, attrs in found.tags if tag == "rect" and attrs["class"] == "loaded"]
    assert any(abs(float(attrs["width"]) - 80.33) < 0.1 for attrs in bars if "x" in attrs)


@pytest.mark.parametrize(
    "value, words",
    [
        (1234567, "1\u202f234\u202f567"),
        (0, "0"),
        (1234.5, "1\u202f234.5"),
        ("12345.60", "12\u202f345.60"),
        (None, "\u2013"),
        ("a\u202eb", "a\\u202eb"),
    ],
)
def test_numbers_are_the_same_everywhere(value, words):
    assert number(value) == words


def test_moments_sentences_and_counts():
    assert moment("2026-01-02T03:04:05.678901+00:00") == "2026-01-02 03:04:05 UTC"
    assert moment(None) == "\u2013"
    assert prose("1,234 of 12,345,678, a,b 1,2") == "1\u202f234 of 12\u202f345\u202f678, a,b 1,2"
    assert [plural(count, "batch") for count in (0, 1, 2)] == ["0 batches", "1 batch", "2 batches"]


def luminance(color):
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_is_readable_in_light_and_dark(finished):
    """WCAG 2.1, 1.4.3: at least 4.5 to 1 for text."""
    style = pages.rendered(finished.document()).partition("<style>")[2].partition("</style>")[0]
    parts = style.split("* { box-sizing")[0].split("prefers-color-scheme: dark")
    schemes = [dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", part)) for part in parts]
    assert len(schemes) == 2
    for colors in schemes:
        for name in ("--ink", "--soft"):
            assert contrast(colors[name], colors["--paper"]) >= 4.5
        for word in ("MATCH", "MISMATCH", "UNKNOWN"):
            for ground in ("--paper", f"--{word}-tint"):
                assert contrast(colors[f"--{word}"], colors[ground]) >= 4.5


CANARIES = ("canary-mail", "s3cretcanary", "quarantined.canary", "ada.lovelace")


def test_neither_secrets_nor_personal_data_are_in_what_is_filed(site, monkeypatch):
    """Of a changed row whose key is an address, with a password in the command line."""
    monkeypatch.setenv("PEOPLE_TOKEN", "s3cretcanary")
    request = site.request
    request = type(request)(
        config=request.config,
        command=("run", "--target", "postgresql://me:s3cretcanary@db/x", "ada.lovelace@x.example"),
        redactor=request.redactor,
    )
    request.redactor.register("s3cretcanary")
    site.execute(
        "UPDATE people SET name = 'x' WHERE points = 1", "DELETE FROM people WHERE points = 2"
    )
    result = api.reconcile(request, options=api.ReconcileOptions(report=True))
    assert result.verdict == "MISMATCH"
    texts = [Path(path).read_text(encoding="utf-8") for path in (result.report, result.report_page)]
    texts += [Path(one).read_text(encoding="utf-8") for outcome in site.outcomes
              for one in (outcome.report, outcome.report_page)]  # fmt: skip
    for text in texts:
        assert [canary for canary in CANARIES if canary in text] == []
    # Equal values have equal masks, on this machine; unlike ones have not.
    masks = re.findall(r"masked:[0-9a-f]{12}", texts[0])
    assert len(set(masks)) >= 2
    again = api.reconcile(request, options=api.ReconcileOptions(report=True))
    assert set(re.findall(r"masked:[0-9a-f]{12}", Path(again.report).read_text())) == set(masks)
    shown_keys = {dict(item.key)["email"] for found in result.proof.findings
                  for item in found.differences}  # fmt: skip
    assert any("ada.lovelace" in key for key in shown_keys), "operators see keys on the terminal"
