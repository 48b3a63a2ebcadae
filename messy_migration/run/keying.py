"""The `fingerprint_key` of a target: which one counts, that it is at hand, and its first link."""

from __future__ import annotations

import logging

from sqlalchemy import Connection

from messy_migration.errors import ProofError
from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import chain, changes, keys
from messy_migration.ledger.chain import Link
from messy_migration.ledger.clock import now
from messy_migration.ledger.lanes import Lane
from messy_migration.run.anchors import note
from messy_migration.run.options import RunOptions
from messy_migration.run.state import RunState
from messy_migration.workspace import Workspace

_ROTATE = "`migrate run --rotate-key`"
_LOST = f'{_ROTATE[:-1]} --lost-key "reason"`'

_log = logging.getLogger(__name__)


def check_key(connection: Connection, workspace: Workspace) -> Key | None:
    """The key that counts in this ledger; None where none ever did.

    Raises:
        ProofError: the ledger is under a key, and none or another one is set.
    """
    link, key = keys.newest(connection, workspace.ledger), workspace.key
    if link is None or (key is not None and link.key_id == key.id):
        return key
    there = f"the ledger is under the fingerprint_key {link.key_id}"
    if key is None:
        raise ProofError(
            "UNKNOWN: the fingerprint_key is not at hand",
            workspace.target.label,
            f"{there}, and none is set: what it sealed cannot be told from forged rows",
            f"set fingerprint_key to it again; if it is lost, set a new one and run {_LOST}",
        )
    raise ProofError(
        "UNKNOWN: another fingerprint_key is set",
        workspace.target.label,
        f"{there}, and {key.id} is set",
        f"set the key {link.key_id} again; to change it, name it as fingerprint_key_before and "
        f"run {_ROTATE}",
    )


def prove_under(connection: Connection, workspace: Workspace) -> Key | None:
    """The key under which a target can be proven.

    Raises:
        ProofError: one is set, and this ledger is under none or another one, or the reverse.
    """
    key = check_key(connection, workspace)
    if key is not None and keys.newest(connection, workspace.ledger) is None:
        raise ProofError(
            "UNKNOWN: nothing in this ledger is under the fingerprint_key that is set",
            workspace.target.label,
            f"it was loaded without a key, or somebody took the key {key.id} off",
            f"{_ROTATE} proves what is there without a key and puts it under this one",
        )
    return key


def signing_key(connection: Connection, workspace: Workspace, options: RunOptions) -> Key | None:
    """The key under which a run signs from its first row on; None without one.

    A rotation signs under the key that it replaces, until all tables are under the new one.

    Raises:
        ProofError: the key that counts in this ledger is not at hand.
    """
    workspace.check_signer()
    if not options.rotate_key:
        return check_key(connection, workspace)
    new, before = workspace.key, workspace.key_before
    link = keys.newest(connection, workspace.ledger)
    if new is None:
        raise ProofError(
            "no key is set to change to",
            workspace.target.label,
            "",
            "set fingerprint_key to a reference to the new key",
        )
    if link is None or link.key_id == new.id:
        return new
    if before is not None and link.key_id == before.id:
        return before
    if options.lost_key:
        return None
    raise ProofError(
        "UNKNOWN: the fingerprint_key that is to be replaced is not at hand",
        workspace.target.label,
        f"the ledger is under the fingerprint_key {link.key_id}; fingerprint_key_before is "
        f"{before.id if before else 'not set'}",
        f"set fingerprint_key_before to the key {link.key_id}; if it is lost, run {_LOST}",
    )


def begin_key(state: RunState) -> None:
    """Let the key count from here on, where it is set and none did before."""
    key, ledger = state.key, state.workspace.ledger
    if key is None:
        return
    with state.writing() as connection:
        if keys.newest(connection, ledger) is not None:
            return
        link = put_link(connection, state, key)
    state.lane = Lane()
    note_link(state, link)
    if link.receipts:
        _log.warning(
            "the fingerprint_key %s counts from here on; %s receipts before it are under none,"
            " until migrate run --rotate-key puts their tables under it",
            key.id,
            link.receipts,
        )


def put_link(connection: Connection, state: RunState, key: Key) -> Link:
    """Write the link from which on a key counts; it holds fast whatever came before."""
    ledger = state.workspace.ledger
    before = chain.newest(connection, ledger)
    link = chain.following(
        before,
        chain.covered(connection, ledger, before),
        key=key,
        **({} if before else {"previous": chain.new_ledger()}),
        run_id=state.run.run_id,
        kind=keys.KEYED,
        plans_digest="",
        evidence_digest="",
        verdict="",
        written_at=now(),
        state_digest=changes.state_digest(connection, ledger, state.run.run_id),
    )
    chain.append(connection, ledger, link)
    return link


def note_link(state: RunState, link: Link) -> None:
    """Write its head down beside the configuration."""
    target, ledger = state.workspace.target, state.workspace.ledger
    with target.dialect.reading(target.engine) as connection:
        (first,) = chain.links(connection, ledger)[:1]
    note(state.workspace, first.previous, link)
