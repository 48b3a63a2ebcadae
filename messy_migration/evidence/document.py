"""The evidence as a document: one form in bytes, one digest over its content, one link.

The file is the document in exactly one form (keys in order, UTF-8, one blank of indentation),
so that every byte of it counts. `digest` is over all but itself, `chain` and `signature`; `chain`
is the link whose `evidence_digest` it is, and `signature` is over the digest and the head.
Nothing in the file lies outside of these.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from messy_migration.errors import ProofError, UsageProblem
from messy_migration.fingerprint.signing import Signer
from messy_migration.ledger.chain import Link, canonical

SCHEMA = 2
"""Version of the document; grows with every change of what it holds."""

NEWEST = "install the messy-migration that wrote it, or a newer one"
LARGEST = 256 * 1024 * 1024
_DIGITS = 40
_OUTSIDE = ("chain", "digest", "signature")
SIGNED = "evidence"
"""The kind of its signature."""


class Unverifiable(ProofError):
    """Evidence that this program cannot judge: nothing is known to be wrong with it."""


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 over the content of a document."""
    content = {name: document[name] for name in document if name not in _OUTSIDE}
    return hashlib.sha256(canonical(content)).hexdigest()


def sealed(
    content: Mapping[str, Any],
    link: Link | None = None,
    signer: Signer | None = None,
    at: str = "",
) -> dict[str, Any]:
    """The content with its digest, the link that holds it fast, and what a key says of both."""
    body = {**content, "digest": digest(content), **({"chain": asdict(link)} if link else {})}
    if signer is not None:
        body["signature"] = asdict(signer.sign(SIGNED, signed_values(body), at))
    return body


def signed_values(document: Mapping[str, Any]) -> list[str]:
    """What the signature of a document is over: its digest, and the head of its link."""
    return [document["digest"], document["chain"]["head"] if "chain" in document else ""]


def text_of(document: Mapping[str, Any]) -> str:
    """The one form of a document.

    Raises:
        ValueError: a number in it is none.
    """
    return (
        json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    )


def read(path: Path) -> tuple[dict[str, Any], str]:
    """A document and the text of its file.

    Raises:
        UsageProblem: there is no such file, or it cannot be read.
        ProofError: it is no evidence, or not in the form in which evidence is written.
    """
    where = str(path)
    try:
        if path.stat().st_size > LARGEST:
            raise Unverifiable(
                "the file is larger than any evidence",
                where,
                f"over {LARGEST // 1024**2} MiB; it is not read",
            )
        data = path.read_bytes()
    except OSError as error:
        raise UsageProblem(
            "the file cannot be read", where, error.strerror or type(error).__name__
        ) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProofError(
            "the file is not evidence", where, f"byte {error.start:,} is not UTF-8"
        ) from error
    document = _parsed(text, where)
    _check_version(document, where)
    try:
        same = text_of(document) == text
    except (ValueError, UnicodeEncodeError):
        same = False
    if not same:
        raise ProofError(
            "the file was changed",
            where,
            "it is not in the form in which evidence is written",
        )
    return document, text


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_refuse,
        )
    except json.JSONDecodeError as error:
        is_short = not text.strip() or (text[0] == "{" and not text.endswith("}\n"))
        raise ProofError(
            "the file was cut short" if is_short else "the file is not JSON",
            where,
            f"line {error.lineno}: {error.msg}",
        ) from error
    except RecursionError as error:
        raise ProofError("the file is not evidence", where, "it is nested too deep") from error
    except ValueError as error:
        raise ProofError("the file is not evidence", where, str(error)) from error
    if not isinstance(document, dict) or "schema" not in document or "verdict" not in document:
        raise ProofError("the file is not evidence", where, "it has no verdict and no version")
    return document


def _check_version(document: Mapping[str, Any], where: str) -> None:
    version = document["schema"]
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ProofError("the file is not evidence", where, "its version is no number")
    if version > SCHEMA:
        why = f"it is of version {version}, this program knows {SCHEMA}"
        raise Unverifiable("the evidence was written by a newer program", where, why, NEWEST)
    if version < SCHEMA:
        why = f"it is of version {version}, which held neither digest nor chain"
        raise Unverifiable("the evidence cannot be verified", where, why)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {double[:60]!r} is there twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"it holds a number of {len(digits):,} digits")
    return int(digits)


def _fraction(digits: str) -> float:
    value = float(digits)
    if len(digits) > _DIGITS or not math.isfinite(value):
        raise ValueError("it holds a number that is too large")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which is no number")
