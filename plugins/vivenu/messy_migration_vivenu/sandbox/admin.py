"""The door for tests: read the access log, set faults, change a record; shut without a key."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from messy_migration_vivenu.sandbox import answers
from messy_migration_vivenu.sandbox.answers import Answer
from messy_migration_vivenu.sandbox.faults import Fault
from messy_migration_vivenu.sandbox.state import State
from messy_migration_vivenu.sandbox.values import millis_of

AGE_SECONDS = 150
"""How long ago a change happened if nobody says: before the end of the next window."""


class Admin:
    """What tests may ask of a sandbox at `/_sandbox/`.

    `GET log`, `GET manifest`, `POST clear` (the log), `POST faults` with a list of faults,
    `POST change` with `{"tenant", "collection", "id", "set", "at"}`; `at` may be left out.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def answer(self, scope: Mapping[str, Any], body: bytes) -> Answer:
        """Answer a call of a test; 403 unless it has the key."""
        key = self._state.knobs.admin_key
        authorization = dict(scope["headers"]).get(b"authorization", b"")
        if not key or authorization != f"Bearer {key}".encode():
            return answers.error(403, "this door is shut")
        command = f"{scope['method']} {scope['path'].removeprefix('/_sandbox/')}"
        try:
            asked = json.loads(body) if body else None
            return self._act(command, asked)
        except (ValueError, KeyError, TypeError) as error:
            return answers.error(400, f"{type(error).__name__}: {error}")

    def _act(self, command: str, asked: Any) -> Answer:
        state = self._state
        match command:
            case "GET log":
                calls = [asdict(call) for call in state.log]
                return answers.as_json({"calls": calls, "writes": state.writes})
            case "GET manifest":
                return answers.as_json(state.manifest)
            case "POST clear":
                state.log.clear()
                return answers.as_json({})
            case "POST faults":
                faults = ({**entry, "calls": tuple(entry.get("calls", ()))} for entry in asked)
                state.faults.set(tuple(Fault(**fault) for fault in faults))
                return answers.as_json({})
            case "POST change":
                return self._change(asked)
        return answers.error(404, "there is nothing here")

    def _change(self, asked: Mapping[str, Any]) -> Answer:
        collection = self._state.collections[asked["tenant"], asked["collection"]]
        at = millis_of(asked["at"]) if "at" in asked else (int(time.time()) - AGE_SECONDS) * 1000
        return Answer(200, collection.change(asked["id"], asked["set"], at).body)
