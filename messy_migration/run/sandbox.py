"""Serve the sandboxes of the selected plugins on loopback, for as long as a run needs them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from messy_migration import registry as registries
from messy_migration.errors import MigrationError, PluginError, UsageProblem, packed, unpacked
from messy_migration.run.options import SEED
from messy_migration.workers.child import is_orphan, tie_to_parent
from messy_migration.workers.nursery import Nursery, start
from messy_migration.workers.processes import Process
from messy_migration.workers.pulse import Pulse
from messy_migration.workspace import Request, start_log

START_SECONDS = 60.0


@dataclass(frozen=True)
class Served:
    """A sandbox that answers.

    Attributes:
        plugin: whose it is.
        url: where it answers.
        section: the plugin's section of the configuration for it.
        manifest: what it serves, good and bad.
    """

    plugin: str
    url: str
    section: Mapping[str, Any]
    manifest: Mapping[str, Any]
    _pipe: Connection

    def traffic(self) -> dict[str, int]:
        """Requests so far, and how many of them tried to write and were refused."""
        self._pipe.send("traffic")
        counts: dict[str, int] = self._pipe.recv()
        return counts


@contextmanager
def serve(
    plugins: Sequence[str], seed: int = SEED, nursery: Nursery | None = None
) -> Iterator[list[Served]]:
    """Start a process with a sandbox for each plugin that has one.

    Args:
        plugins: names of selected plugins.
        seed: what a sandbox makes its records of.
        nursery: where the processes come from; without one they are spawned.

    Raises:
        UsageProblem: none of them has a sandbox.
        PluginError: a sandbox does not start.
    """
    registry = registries.build(plugins)
    names = [name for name in registry.names if registry.implements(name, "sandbox")]
    if not names:
        raise UsageProblem(
            "none of the plugins has a sandbox", ", ".join(plugins), next="`migrate plugins list`"
        )
    started: list[tuple[Process, Connection]] = []
    try:
        for name in names:
            process, pipe, _ = start(nursery, partial(_main, name, seed))
            started.append((process, pipe))
        yield [_ready(name, pipe) for name, (_, pipe) in zip(names, started, strict=True)]
    finally:
        for process, pipe in started:
            process.kill()
            process.join()
            pipe.close()


def _ready(plugin: str, pipe: Connection) -> Served:
    try:
        if not pipe.poll(START_SECONDS):
            raise PluginError(f"the sandbox of {plugin} does not start", why="it did not answer")
        answer = pipe.recv()
    except (EOFError, OSError) as error:
        raise PluginError(f"the sandbox of {plugin} does not start", why="it died") from error
    if "error" in answer:
        raise unpacked(answer["error"])
    return Served(plugin, answer["url"], answer["section"], answer["manifest"], pipe)


class _Counted:
    """An ASGI application that counts what it is asked."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self.requests = 0
        self.refused = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.requests += 1

        async def watched(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] == 405:
                self.refused += 1
            await send(message)

        await self._app(scope, receive, watched)


def _main(plugin: str, seed: int, pipe: Connection, _: Pulse, parent: int) -> None:
    """What a sandbox's process runs."""
    import uvicorn

    tie_to_parent(parent, "mm-sandbox")
    try:
        # `serve` tried the import before it started this process.
        box = registries.build([plugin], is_tried=True).call_one(plugin, "sandbox", seed=seed)
        # A socket without a named protocol keeps Nagle's delay: 13 times slower calls.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = _Counted(box.app)
        config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        threading.Thread(target=server.run, args=([listening],), daemon=True).start()
        pipe.send({"url": url, "section": dict(box.section(url)), "manifest": dict(box.manifest)})
    except MigrationError as error:
        pipe.send({"error": packed(error)})
        return
    while not is_orphan(parent):
        try:
            pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send({"requests": app.requests, "refused_writes": app.refused})


@contextmanager
def served(
    request: Request, sandbox: int | None, nursery: Nursery | None = None
) -> Iterator[tuple[Request, list[Served]]]:
    """The request, with the plugins' sandboxes in place of their sources if there is a seed."""
    if sandbox is None:
        yield request, []
        return
    settings = request.load()
    start_log(request, settings)
    with serve(settings.core.plugins, sandbox, nursery) as boxes:
        yield replace(request, sections={box.plugin: box.section for box in boxes}), boxes
