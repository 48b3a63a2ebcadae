"""Heads of the chain that this machine has seen, in a file that only grows.

Whoever can write the target can write the ledger and its chain in one stroke, or restore both
to an older state. Then the head that was written down here is missing from the chain. One line
of JSON for each head, readable by its owner alone, and on disk before a run ends.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import URL

from messy_migration.errors import ConfigurationError

_PORTS: dict[str, int] = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}


@dataclass(frozen=True)
class Anchor:
    """A head that was seen, or evidence that no link holds.

    Attributes:
        target: which database, as `identity` names it.
        label: the same for people.
        ledger: `previous` of the first link, which no other ledger has.
        ordinal, head: of the link; 0 and empty where a new ledger took the place of another.
        run_id, at: who wrote the link, and when it was written down here, in UTC.
        kind: of the link; `evidence` for evidence without one, with neither ordinal nor head.
        evidence, file: the digest of the evidence that the link holds, and the name of its file.
        key, signature: the public key, and what the `signing_key` says of all the others.
    """

    target: str
    label: str
    ledger: str
    ordinal: int
    head: str
    run_id: str
    at: str
    kind: str = ""
    evidence: str = ""
    file: str = ""
    key: str = ""
    signature: str = ""

    @property
    def signed_values(self) -> list[object]:
        """What its signature is over, beside its key and the moment."""
        return [value for name, value in asdict(self).items() if name not in _OUTSIDE]


EVIDENCE = "evidence"
"""The kind of an anchor that names evidence which no link holds."""
_OUTSIDE = ("at", "key", "signature")
_LARGEST = 256 * 1024 * 1024


def identity(url: URL) -> str:
    """One name for a database, whoever logs in: 32 hexadecimal characters."""
    kind = url.get_backend_name()
    if kind in ("sqlite", "duckdb"):
        parts = [kind, str(Path(url.database or "").resolve())]
    else:
        host = url.host or url.query.get("host") or ""
        port = url.port or _PORTS.get(kind, 0)
        parts = [kind, str(host).lower(), str(port), url.database or ""]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def read(path: Path) -> list[Anchor]:
    """All heads that were ever written down here, oldest first.

    Raises:
        ConfigurationError: the file cannot be read, or somebody wrote into it.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigurationError("the file of anchors is larger than any", str(path))
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(
            "the file of anchors cannot be read", str(path), error.strerror or ""
        ) from error
    anchors = []
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line) if line.strip() else None
            if values is not None:
                anchors.append(Anchor(**values))
        except (ValueError, TypeError) as error:
            if number == len(lines):
                continue  # torn, see `append`
            raise ConfigurationError(
                "the file of anchors was damaged",
                f"{path}, line {number}",
                "it holds one JSON object in each line",
                "take the line out, and give the head that you trust with --anchor",
            ) from error
    return anchors


def append(path: Path, anchor: Anchor) -> None:
    """Write a head down, on disk when this returns.

    Raises:
        OSError: it could not be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    handle = os.open(path, flags, 0o600)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            # The machine went down while the last line was written: it says nothing.
            os.ftruncate(handle, os.pread(handle, size, 0).rfind(b"\n") + 1)
        os.write(handle, json.dumps(asdict(anchor), sort_keys=True).encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
