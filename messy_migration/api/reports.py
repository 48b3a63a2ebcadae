"""Evidence files that earlier runs left: find them, read them, verify them.

A target is asked only where no file is in the folder of the reports, or one was named.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from messy_migration import errors
from messy_migration.api.preconditions import refuse_empty, refuse_missing
from messy_migration.api.recall import recalled
from messy_migration.api.results import Result
from messy_migration.config import last_target
from messy_migration.config.heads import given_head
from messy_migration.config.secrets import builtin_secret
from messy_migration.config.settings import Settings, key_secret
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.errors import MigrationError, UsageProblem
from messy_migration.evidence import document, files, page
from messy_migration.evidence.verify import Verified, verify
from messy_migration.evidence.witnesses import Witnesses
from messy_migration.evidence.words import completeness
from messy_migration.evidence.words import of as words_of
from messy_migration.fingerprint.keyed import Key
from messy_migration.fingerprint.signing import Signer, public_key
from messy_migration.ledger import anchors, runs, schema
from messy_migration.ledger.completeness import problems
from messy_migration.logs import borrowed
from messy_migration.redaction import Redactor
from messy_migration.run.anchors import ANCHORS, audited, broken_ledger_error
from messy_migration.workspace import Request, open_workspace

_PATTERNS = ("migration-*.json", "reconciliation-*.json")


@dataclass(frozen=True)
class Report(Result):
    """An evidence file, what it says, and its page, written anew if it was not there."""

    evidence: Path
    page: Path
    document: dict[str, Any]
    redactor: Redactor = field(default_factory=Redactor, repr=False, compare=False)

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """Of the verdict and of what was not loaded, in the order of all exit codes."""
        document = self.document
        codes = {problem.exit_code for problem in problems(completeness(document))}
        if "completeness" not in document:
            codes = {problem["exit_code"] for problem in document.get("problems", ())} & {7}
        return errors.exit_code(
            codes,
            mismatch=document["verdict"] == "MISMATCH",
            unknown=document["verdict"] == "UNKNOWN",
        )

    def _object(self) -> dict[str, Any]:
        return {**self.document, "report": str(self.evidence), "page": str(self.page)}

    def _headline(self) -> str:
        words = words_of(self.document)
        return f"{words.headline}: {words.sentence}" if words.sentence else words.headline

    def _columns(self) -> Mapping[str, Sequence[str]]:
        return {
            "streams": ("stream", "tenant", "extracted", "loaded", "quarantined", "filtered"),
            "tables": ("table", "scope", "expected_rows", "actual_rows", "verdict", "reason"),
        }


@borrowed()
def report(request: Request, name: str | None = None) -> Report:
    """The evidence of a run or reconciliation; see `find_report`.

    Args:
        request: which folder, and which target.
        name: a file, or the beginning of a run's id; None for the newest.

    Raises:
        UsageProblem: there is none.
        ProofError: it is no evidence any more.
    """
    return find_report(request, name)


@borrowed()
def find_report(request: Request, name: str | None = None) -> Report:
    """An evidence file and its page: a file, that of a run by the beginning of its id, the newest.

    Where the folder of the reports has none, or a target is named, the ledger of the target says
    where the evidence of its runs is.

    Args:
        request: which folder, and which target.
        name: a file, or the beginning of a run's id; None for the newest.

    Raises:
        UsageProblem: there is none, more than one run is meant, or it is not in the working folder.
        ProofError: it is no evidence any more, or the ledger is not what runs have written.
        TargetError: the target that was named cannot be read.
    """
    path = _path(request, name)
    content, _ = document.read(path)
    target = path.with_suffix(".html")
    if not target.exists():
        files.write(target, page.render(content))
    return Report(path, target, content)


@borrowed()
def verify_reports(
    paths: Sequence[Path],
    directory: Path | None = None,
    anchor: str | None = None,
    keys: KeysAtHand | None = None,
) -> list[Verified]:
    """Verify evidence files and pages offline; nothing is raised for what does not verify.

    Args:
        paths: JSON, HTML, or folders of them.
        directory: where `.migrate/anchors` is; the working directory if left out.
        anchor: the beginning of a head that the newest of them must have.
        keys: what `keys_at_hand` gave; what they would say is not checked without them, and
            that is told.

    Raises:
        UsageProblem: a file cannot be read, or the anchor is no head.
        ConfigurationError: the anchors cannot be read.
    """
    keys = keys or KeysAtHand()
    kept = anchors.read((directory or Path.cwd()) / ANCHORS)
    witnesses = Witnesses(kept, keys.fingerprint, keys.public, keys.revoked)
    return verify(paths, witnesses, given_head(anchor))


@dataclass(frozen=True)
class KeysAtHand:
    """The keys that evidence is held against.

    Attributes:
        fingerprint: the `fingerprint_key`; None if there is none here.
        public: public keys whose signatures are trusted.
        revoked: public keys whose signatures prove nothing any more.
    """

    fingerprint: Key | None = None
    public: frozenset[str] = frozenset()
    revoked: frozenset[str] = frozenset()


def keys_at_hand(request: Request, public: Sequence[str] = ()) -> KeysAtHand:
    """The keys that are configured, where their secrets can be had offline, and those given.

    Args:
        request: which settings.
        public: public keys that are trusted: in hexadecimal, in PEM, or files of either.

    Raises:
        UsageProblem: one of these is no public key.
    """
    trusted = {public_key(text) for text in public}
    try:
        settings = request.load()
    except MigrationError:
        return KeysAtHand(public=frozenset(trusted))
    fingerprint = signer = None
    with suppress(MigrationError):
        if secret := _offline(request, settings, "fingerprint_key"):
            fingerprint = Key(secret)
    with suppress(MigrationError):
        if secret := _offline(request, settings, "signing_key"):
            signer = Signer(secret)
    if signer is not None:
        trusted.add(signer.public)
    revoked = frozenset(key.strip().lower() for key in settings.core.revoked_keys)
    return KeysAtHand(fingerprint, frozenset(trusted), revoked)


def _offline(
    request: Request, settings: Settings, name: Literal["fingerprint_key", "signing_key"]
) -> str:
    """The secret of a key; empty where there is none, or a plugin has to be asked for it."""

    def known(reference: str) -> str:
        # What a plugin has to be asked for may lie on another machine.
        return builtin_secret(reference, settings.environment) or ""

    secret = key_secret(settings, known, name) or ""
    if secret:
        request.redactor.register(secret)
    return secret


def _path(request: Request, name: str | None) -> Path:
    if name is not None and (Path(name).exists() or name.endswith((".json", ".html"))):
        path = Path(name).with_suffix(".json")
        if not path.exists():
            raise UsageProblem("there is no such evidence file", str(path))
        return path
    loaded = request.load()
    folder = loaded.directory / loaded.core.report
    if "target" in request.flags:
        return _by_ledger(request, name)
    paths = [path for pattern in _PATTERNS for path in folder.glob(pattern)]
    if name is not None:
        # Files carry the beginning of the id, people may type all of it.
        paths = [one for one in paths if _is_of(one, name)]
    if not paths:
        asked = recalled(request)
        settings = asked.load()
        if settings.origins["target"] != "default" and last_target.read(settings.directory):
            return _by_ledger(asked, name)
        raise _none(name, folder)
    runs = {_stem(path) for path in paths}
    if name is not None and len(runs) > 1:
        raise UsageProblem(f"more than one run has an id that begins {name!r}", str(folder))
    return max(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _none(name: str | None, where: object) -> UsageProblem:
    return UsageProblem(
        f"no evidence file of run {name}" if name else "there is no evidence file yet",
        str(where),
        next="`migrate status` lists the runs" if name else "`migrate run`",
    )


def _by_ledger(request: Request, name: str | None) -> Path:
    """The evidence file of a run, where the ledger of the target says that it is."""
    workspace = open_workspace(request, needs_plugins=False)
    target = workspace.target
    refuse_missing(workspace)
    try:
        with (
            driver_errors_as_ours(f"target {target.label}"),
            target.dialect.reading(target.engine) as connection,
        ):
            refuse_empty(workspace, schema.version(connection))
            audit = audited(workspace, connection, None, full=False)
            if audit.reasons:
                raise broken_ledger_error(workspace, audit)
            written = [
                run
                for run in (
                    runs.history(connection, workspace.ledger)
                    if name is None
                    else runs.find(connection, workspace.ledger, name)
                )
                if run.report
            ]
    finally:
        target.engine.dispose()
    if not written:
        raise _none(name, target.label)
    if name is not None and len(written) > 1:
        raise UsageProblem(f"more than one run has an id that begins {name!r}", target.label)
    path = Path(str(written[0].report))
    if not path.resolve().is_relative_to(workspace.settings.directory.resolve()):
        raise UsageProblem(
            "the evidence of this run lies outside of the working folder",
            str(path),
            "its path comes from the ledger, and is not followed from here",
            f"`{shlex.join(['migrate', 'report', str(path)])}`",
        )
    if not path.exists():
        raise UsageProblem("the evidence of this run is not where it was written", str(path))
    return path


def _stem(path: Path) -> str:
    """The beginning of the run's id: `migration-0197f3c2-4ca3-2.json` is its second attempt."""
    return "-".join(path.stem.split("-")[1:3])


def _is_of(path: Path, name: str) -> bool:
    stem = _stem(path)
    return path.name.startswith("migration-") and (
        stem.startswith(name) or (len(name) > len(stem) and name.startswith(stem))
    )
