"""The published contract as a judge, and sandboxes behind a real server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import pytest
import uvicorn
from openapi_schema_validator import OAS30ReadValidator, oas30_format_checker

from messy_migration.model import Sandbox
from messy_migration_vivenu.sandbox import Knobs, VivenuSandbox, section_of
from messy_migration_vivenu.sandbox.data import make_accounts, manifest_of

DOCUMENT = json.loads((Path(__file__).parents[1] / "openapi.json").read_text(encoding="utf-8"))
SEED = 20


class Contract:
    """What the description says about calls and answers; knows nothing of the sandbox."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._validators: dict[str, Any] = {}

    def operation(self, path: str) -> tuple[str, dict[str, Any]]:
        """The described path that a call means, a literal one before a template."""
        paths = self.document["paths"]
        if path in paths:
            return path, paths[path]["get"]
        template = path.rsplit("/", 1)[0] + "/{id}"
        if template not in paths:
            raise LookupError(f"{path} is not described")
        return template, paths[template]["get"]

    def wrong_with_call(self, method: str, path: str, query: str) -> list[str]:
        """What a call has that the description has not."""
        if method != "GET":
            return [f"{method} is no reading"]
        try:
            _, operation = self.operation(path)
        except LookupError as error:
            return [str(error)]
        known = {item["name"]: item for item in map(self._resolved, operation["parameters"])}
        values: dict[str, Any] = {}
        for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
            base, bracket, rest = name.partition("[")
            if bracket and known.get(base, {}).get("style") == "deepObject":
                values.setdefault(base, {})[rest.removesuffix("]")] = value
            elif name in values:
                return [f"{name} comes twice"]
            else:
                values[name] = value
        problems = [f"{name} is not described" for name in values if name not in known]
        for name, value in values.items():
            if name in known:
                schema = known[name]["schema"]
                typed = int(value) if schema.get("type") == "integer" else value
                if schema.get("type") == "object":
                    odd = set(value) - set(schema["properties"])
                    problems += [f"{name}[{item}] is not described" for item in sorted(odd)]
                problems += [f"{name}: {item}" for _, item in self._errors(schema, typed)]
        return problems

    def wrong_with_answer(self, path: str, status: int, body: Any) -> list[tuple[str, str]]:
        """(pointer, message) of everything in an answer that breaks the description."""
        template, operation = self.operation(path)
        if str(status) not in operation["responses"]:
            return [("", f"status {status} is not described")]
        answer = self._resolved(operation["responses"][str(status)])
        schema = answer["content"]["application/json"]["schema"]
        return self._errors(schema, body, f"{template} {status}")

    def wrong_with_record(self, path: str, record: Any) -> set[str]:
        """The fields of one record of a list that break the description."""
        schema = self.record_schema(path)
        return {pointer.split("/")[0] for pointer, _ in self._errors(schema, record, f"{path} row")}

    def record_schema(self, path: str) -> dict[str, Any]:
        """The schema of a single record of a list."""
        answer = self.document["paths"][path]["get"]["responses"]["200"]
        schema = answer["content"]["application/json"]["schema"]
        arrays = [item for item in schema.get("properties", {}).values() if "items" in item]
        return (arrays or [schema])[0]["items"]

    def _resolved(self, item: dict[str, Any]) -> dict[str, Any]:
        found: Any = item
        if "$ref" in item:
            found = self.document
            for step in item["$ref"].removeprefix("#/").split("/"):
                found = found[step]
        return found

    def _errors(self, schema: Any, value: Any, name: str = "") -> list[tuple[str, str]]:
        key = name or json.dumps(schema)
        if key not in self._validators:
            whole = {"allOf": [schema], "components": self.document["components"]}
            self._validators[key] = OAS30ReadValidator(whole, format_checker=oas30_format_checker)
        found = []
        for error in self._validators[key].iter_errors(value):
            pointer = "/".join(map(str, error.absolute_path))
            missing = error.message.split("'")[1] if error.validator == "required" else ""
            found.append(("/".join(filter(None, (pointer, missing))), error.message))
        return found


@dataclass
class Served:
    """A sandbox behind a server."""

    url: str
    sandbox: Sandbox

    @property
    def state(self) -> Any:
        return self.sandbox.app.state

    @property
    def section(self) -> dict[str, Any]:
        return dict(self.sandbox.section(self.url))

    def key(self, tenant: str) -> str:
        return self.section["tenants"][tenant]["token"]

    def get(self, path: str, tenant: str = "auckland", **params: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.key(tenant)}"}
        return httpx2.get(f"{self.url}{path}", params=params or None, headers=headers, timeout=20)

    def walk(self, path: str, tenant: str = "auckland", **params: Any) -> list[Any]:
        """All records of a list, page by page, until a page is empty."""
        found: list[Any] = []
        while page := _records(self.get(path, tenant, skip=len(found), top=1000, **params).json()):
            found += page
        return found


def _records(answer: Any) -> list[Any]:
    return answer if isinstance(answer, list) else answer.get("rows", answer.get("docs"))


@contextmanager
def served(sandbox: Sandbox) -> Iterator[Served]:
    """Behind a server of its own on a free loopback port, until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as door:
        door.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(sandbox.app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        waiting = threading.Event()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            waiting.wait(0.005)
        yield Served(f"http://127.0.0.1:{door.getsockname()[1]}", sandbox)
        server.should_exit = server.force_exit = True
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def contract() -> Contract:
    return Contract(DOCUMENT)


@pytest.fixture(scope="session")
def make() -> Callable[..., Sandbox]:
    """Sandboxes with knobs of one's own, over data that is made once."""
    accounts = make_accounts(SEED)
    manifest = manifest_of(SEED, accounts)

    def made(**knobs: Any) -> Sandbox:
        app = VivenuSandbox(accounts, manifest, Knobs(**knobs))
        return Sandbox(app, manifest, lambda url: section_of(accounts, url))

    return made


@pytest.fixture(scope="session")
def plain(make: Callable[..., Sandbox]) -> Iterator[Served]:
    """A sandbox without faults, for tests that only read."""
    with served(make(page_cap=1000)) as one:
        yield one


@pytest.fixture
def serve(make: Callable[..., Sandbox]) -> Iterator[Callable[..., Served]]:
    """Start sandboxes with knobs of one's own; all end with the test."""
    with ExitStack() as stack:
        yield lambda **knobs: stack.enter_context(served(make(**knobs)))
