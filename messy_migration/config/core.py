"""What the core itself can be told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class CoreSettings(BaseModel):
    """What the core itself can be told; each field is also a flag and a MIGRATE_ variable.

    `quarantine_limit` is in percent of a stream's records, `batch_bytes` in bytes, `workers`
    None means one for each CPU. A worker that shows no sign of life for `frozen_after` seconds
    is replaced. A statement waits `lock_seconds` for a lock on the target, a run `outage_seconds`
    for a target that went away or stays locked, and `disk_full_seconds` for one that is full.
    `report_masked` keeps personal data in keys out of the evidence. `source_proof` asks sources
    that can compute it for their own fingerprint of what they gave. `insecure_reason` says why
    a server on another machine is reached without verified TLS. `fingerprint_key` refers to the
    secret under which rows are summed a second time, `fingerprint_key_before` to the one that it
    replaces. `signing_key` refers to the Ed25519 key that signs heads and evidence; what one of
    `revoked_keys` (public keys) signed proves nothing. `log_file` gets every line of the log as
    JSON, beside what stderr gets. `target`, `target_password` and the keys are left out of the
    repr.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    target: str = Field("sqlite:///migration.db", min_length=1, repr=False)
    target_password: str | None = Field(None, min_length=1, repr=False)
    insecure_reason: str = ""
    fingerprint_key: str | None = Field(None, min_length=1, repr=False)
    fingerprint_key_before: str | None = Field(None, min_length=1, repr=False)
    signing_key: str | None = Field(None, min_length=1, repr=False)
    revoked_keys: list[str] = []
    plugins: list[str] = []
    workers: int | None = Field(None, ge=1, le=64)
    batch_records: int = Field(50_000, ge=1, le=1_000_000)
    batch_bytes: int = Field(32 * 1024 * 1024, ge=1024, le=1024**3)
    frozen_after: int = Field(30, ge=5, le=3600)
    quarantine_limit: float = Field(1.0, ge=0, le=100, allow_inf_nan=False)
    lock_seconds: float = Field(30.0, gt=0, le=3600, allow_inf_nan=False)
    outage_seconds: float = Field(60.0, ge=0, le=86400, allow_inf_nan=False)
    disk_full_seconds: float = Field(600.0, ge=0, le=86400, allow_inf_nan=False)
    report: Path = Field(Path(), strict=False)
    report_masked: bool = True
    source_proof: bool = True
    landing: Path = Field(Path(".migrate/landing"), strict=False)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    log_file: Path | None = Field(None, strict=False)

    @property
    def worker_count(self) -> int:
        """`workers`, or the number of CPUs (at most 64)."""
        return self.workers or min(os.cpu_count() or 1, 64)
