"""`migrate report`: what evidence files say, their pages, and whether they verify."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from messy_migration import api
from messy_migration.cli.options import (
    Common,
    anchor_option,
    common_options,
    json_option,
    target_option,
)
from messy_migration.cli.render import cell, complain, emit_json, say, table
from messy_migration.cli.summary import short_path
from messy_migration.evidence.notation import NARROW
from messy_migration.evidence.verify import Verified
from messy_migration.evidence.words import of as words_of
from messy_migration.model import stream_label

_MARKS = {True: "ok", False: "WRONG", None: "--"}


class ReportGroup(click.Group):
    """`migrate report RUN` is short for `migrate report show RUN`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `show` in front of what names no other command."""
        if args[:1] not in [[name] for name in (*self.commands, "--help")]:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group("report", cls=ReportGroup)
def command() -> None:
    """Evidence files and their pages; needs no plugin, and a target only to find them.

    `migrate report [RUN|FILE]` shows the newest, or that of a run, in a few lines.
    """


@command.command("show")
@click.argument("name", metavar="[RUN|FILE]", required=False)
@target_option
@json_option
@common_options
def show(
    common: Common,
    name: str | None,
    as_json: bool,  # noqa: FBT001 - click passes by name
    **flags: Any,
) -> int:
    """Show the verdict and the figures of an evidence file.

    The exit code is that of its verdict (8 for MISMATCH and UNKNOWN), or 7 if too much of a
    stream was in quarantine, or nothing was loaded of a stream that had records.
    """
    report = api.find_report(common.request(**flags), name)
    if as_json:
        emit_json(report.as_json())
    else:
        say(_summary(report))
    return report.exit_code


@command.command("open")
@click.argument("name", metavar="[RUN|FILE]", required=False)
@target_option
@json_option
@common_options
def open_(
    common: Common,
    name: str | None,
    as_json: bool,  # noqa: FBT001 - click passes by name
    **flags: Any,
) -> int:
    """Open the page in a browser; where there is none, say where it is."""
    report = api.find_report(common.request(**flags), name)
    opened = _has_browser() and webbrowser.open(report.page.resolve().as_uri())
    if as_json:
        emit_json({"report": str(report.evidence), "page": str(report.page), "opened": opened})
    else:
        say(f"{'opened' if opened else 'no browser here; the page is'} {report.page}")
    return 0


@command.command("verify")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE|FOLDER..."
)
@anchor_option
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="A public key whose signatures are trusted: 64 hexadecimal characters, or its file.",
)
@json_option
@common_options
def verify(
    common: Common,
    *,
    files: tuple[Path, ...],
    anchor: str | None,
    keys: tuple[str, ...],
    as_json: bool,
) -> int:
    """Verify evidence files (JSON) and their pages (HTML), offline.

    Finds one changed byte, derives every figure again, and holds each file against what lies
    outside of it: a head that is anchored in .migrate here or given with --anchor, the MAC of the
    fingerprint_key, or a signature. Several files or a folder are judged as a set too: links that
    are missing, or there twice. Exit code 8 if anything is wrong, or could not be checked.
    """
    directory = common.config.parent if common.config else Path.cwd()
    at_hand = api.keys_at_hand(common.request(), keys)
    documents = api.verify_reports(files, directory, anchor, at_hand)
    if as_json:
        emit_json(verified_object(documents))
    else:
        say("\n".join(line for verified in documents for line in _lines(verified)))
    for verified in documents:
        if verified.problem is not None:
            complain(verified.problem)
    return 0 if all(verified.is_verified for verified in documents) else 8


def verified_object(documents: Sequence[Verified]) -> dict[str, Any]:
    """What `migrate report verify --json` prints."""
    return {
        "verified": all(verified.is_verified for verified in documents),
        "files": [_facts(verified) for verified in documents if not verified.is_set],
        "sets": [_facts(verified) for verified in documents if verified.is_set],
    }


def _facts(verified: Verified) -> dict[str, Any]:
    return {
        "set" if verified.is_set else "file": verified.path,
        "verified": verified.is_verified,
        "verdict": verified.verdict,
        "error": verified.problem.as_dict() if verified.problem else None,
        "notes": list(verified.notes),
        "checks": [
            {
                "check": check.what,
                "passed": check.passed,
                "why": check.why,
                "is_witness": check.is_witness,
            }
            for check in verified.checks
        ],
    }


def _lines(verified: Verified) -> list[str]:
    lines = [cell(verified.path)]
    for check in verified.checks:
        why = f": {cell(check.why)}" if check.why else ""
        lines.append(f"  {_MARKS[check.passed]:<5}  {check.what}{why}")
    lines += [f"  note   {cell(note)}" for note in verified.notes]
    if verified.problem is not None:
        word = "DOES NOT VERIFY" if verified.verdict == "WRONG" else "CANNOT BE VERIFIED"
        return [*lines, f"{word}  {cell(verified.problem.what)}"]
    wrong = sum(check.passed is False for check in verified.checks)
    left = sum(check.passed is None for check in verified.checks)
    if wrong:
        return [*lines, f"DOES NOT VERIFY  {wrong} of {len(verified.checks)} checks are wrong"]
    rest = f", {left} could not be made" if left else ""
    right = f"{len(verified.checks) - left} checks are right{rest}"
    if verified.is_verified:
        return [*lines, f"VERIFIED  {right}"]
    if not verified.is_set and not any(one.passed for one in verified.checks if one.is_witness):
        right += "; nothing from outside of the file speaks for it: no anchor, no key"
    return [*lines, f"CANNOT BE VERIFIED  {right}"]


def _summary(report: api.Report) -> str:
    document = report.document
    words = words_of(document)
    streams = [
        [stream_label(entry["stream"], entry["tenant"]), *(entry[name] for name in _COUNTS)]
        for entry in document.get("streams", ())
    ]
    tables = [
        [
            entry["table"] + "".join(f" {name}={value}" for name, value in entry["scope"].items()),
            entry["expected_rows"],
            "-" if entry["actual_rows"] is None else entry["actual_rows"],
            entry["verdict"],
        ]
        for entry in document["tables"]
    ]
    parts = [
        cell(f"{words.title.lower()} of {document['moments']['written_at'][:19]}Z"),
        f"target {cell(document['target'])}",
        *([table(["stream", *_COUNTS], streams, "lrrrr")] if streams else []),
        table(["table", "expected", "actual", "verdict"], tables, "lrrl"),
        f"{cell(words.headline)}  {cell(words.sentence.replace(NARROW, ','))}",
        *(cell(line) for line in words.claims),
        cell(f"report: {short_path(str(report.page))}"),
    ]
    chain = document.get("chain")
    if chain:
        parts.append(cell(f"chain: link {chain['ordinal']}, head {chain['head']}"))
    return "\n".join(parts)


_COUNTS = ("extracted", "loaded", "quarantined", "filtered")


def _has_browser() -> bool:
    """A browser that a person sees: not one for text, and not on a machine without a screen."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform != "darwin" and not any(os.environ.get(name) for name in screens):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
