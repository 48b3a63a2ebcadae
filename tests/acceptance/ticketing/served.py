"""Small sandboxes of both sources behind servers of the test's own, with a log that has times.

The log is written by a door in front of each sandbox, so that it is nobody's opinion: every
request with the moment at which it came in, the account that it was let in as, and its status.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import parse_qs

import uvicorn

from messy_migration_eventcombo.sandbox import PASSWORD, USERNAME
from messy_migration_eventcombo.sandbox import Knobs as EventComboKnobs
from messy_migration_eventcombo.sandbox import build as build_eventcombo
from messy_migration_vivenu.sandbox import Knobs, VivenuSandbox, section_of
from messy_migration_vivenu.sandbox.data import make_account, manifest_of
from messy_migration_vivenu.sandbox.seller import Profile
from messy_migration_vivenu.sandbox.values import decode

SEED = 11
TENANTS = ("auckland", "frankfurt")
PATHS = {
    "/api/events": "vivenu.events",
    "/api/customers/rich": "vivenu.customers",
    "/api/coupon/rich": "vivenu.coupons",
    "/api/coupon/series": "vivenu.coupons",
    "/api/transactions": "vivenu.orders",
    "/api/tickets": "vivenu.tickets",
}
TOKEN = "/API/Token"
EVENT_LIST = "/api/v2/Public/Event/List"
_PER_EVENT = (
    (re.compile(r"/api/v2/Public/Event/([^/]+)/Tickets\Z"), "eventcombo.ticket_types"),
    (re.compile(r"/api/v2/Organizer/Order/List\Z"), "eventcombo.orders"),
    (re.compile(r"/api/v2/Organizer/Attendee/List\Z"), "eventcombo.attendees"),
    (re.compile(r"/api/v2/Organizer/PromoCode/List\Z"), "eventcombo.promo_codes"),
)


@dataclass(frozen=True)
class Call:
    """One request: when it came in, and what became of it."""

    at: str
    plugin: str
    method: str
    path: str
    query: str
    tenant: str
    status: int

    @property
    def asked(self):
        """The query as name -> value."""
        return {name: values[0] for name, values in parse_qs(self.query).items()}

    @property
    def stream(self):
        """The stream whose records were asked for, or empty."""
        if self.plugin == "vivenu":
            return PATHS.get(self.path, "")
        return next((name for form, name in _PER_EVENT if form.match(self.path)), "")

    @property
    def event(self):
        """The event whose records were asked for, in EventCombo."""
        return self.asked.get("eventId") or _PER_EVENT[0][0].match(self.path)[1]


@dataclass
class Door:
    """An ASGI application in front of another: notes each request, and tells who listens."""

    plugin: str
    app: object
    keys: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)
    listener: object = None

    async def __call__(self, scope, receive, send):
        """Let the application answer; the note is complete before the answer begins."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        if self.listener:
            self.listener()
        key = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        tenant = self.keys.get(key, "default" if key and self.plugin == "eventcombo" else "")
        query = scope["query_string"].decode("latin-1")

        async def noted(message):
            if message["type"] == "http.response.start":
                self.calls.append(
                    Call(
                        at,
                        self.plugin,
                        scope["method"],
                        scope["path"],
                        query,
                        tenant,
                        message["status"],
                    )
                )
            await send(message)

        await self.app(scope, receive, noted)


def small_accounts():
    """Two small tenants of vivenu, with all the mess of the big ones."""
    profiles = (
        Profile("auckland", "NZD", "Pacific/Auckland", 15, 120, 400, 20),
        Profile("frankfurt", "EUR", "Europe/Berlin", 19, 100, 300, 16),
    )
    return tuple(make_account(profile, SEED) for profile in profiles)


class Sources:
    """Both sandboxes behind their doors, until the block ends; the data is made once."""

    def __init__(self, accounts, box):
        self.accounts = accounts
        self.manifest = manifest_of(SEED, accounts)
        self.vivenu = VivenuSandbox(accounts, self.manifest, Knobs())
        self.box = replace(box, app=deepcopy(box.app))
        keys = {f"Bearer {item.key}": item.profile.name for item in accounts}
        self.doors = (Door("vivenu", self.vivenu, keys), Door("eventcombo", self.box.app))
        self.urls = {}

    @property
    def eventcombo(self):
        """The application behind the second door."""
        return self.box.app

    @property
    def calls(self):
        """All requests so far, in the order in which they were answered."""
        return sorted((call for door in self.doors for call in door.calls), key=lambda it: it.at)

    @property
    def writes(self):
        """How many requests tried to write, the call for a token left out."""
        return self.vivenu.state.writes + self.eventcombo.writes

    def listen(self, listener):
        """Call this at each request, before it is answered."""
        for door in self.doors:
            door.listener = listener

    @contextmanager
    def served(self):
        """Answer on free ports of this machine."""
        with ExitStack() as stack:
            for door in self.doors:
                self.urls[door.plugin] = stack.enter_context(_serving(door))
            yield self

    def secrets(self):
        """Variable -> what it has to hold."""
        keys = {f"{item.profile.name.upper()}_KEY": item.key for item in self.accounts}
        return {**keys, "EVENTCOMBO_PASSWORD": PASSWORD}

    def sections(self, http=None, **vivenu):
        """The sections for these servers, secrets by reference; `vivenu` goes to each tenant."""
        limits = {"http": http} if http else {}
        section = deepcopy(section_of(self.accounts, self.urls["vivenu"]))
        for name, tenant in section["tenants"].items():
            tenant.update(token=f"env://{name.upper()}_KEY", **limits, **vivenu)
        other = {
            "base_url": self.urls["eventcombo"],
            "username": USERNAME,
            "password": "env://EVENTCOMBO_PASSWORD",
            "slices": 2,
            **limits,
        }
        return {"vivenu": section, "eventcombo": other}

    def records(self, tenant, collection):
        """(case, record) of all that vivenu serves."""
        entries = self.vivenu.state.collections[tenant, collection].entries
        return [(entry.case, decode(entry.body)) for entry in entries]

    def change(self, tenant, collection, record_id, at=None, **fields):
        """Change a record of vivenu, three minutes ago unless it is said when."""
        moment = at or int(datetime.now(UTC).timestamp() - 180) * 1000
        self.vivenu.state.collections[tenant, collection].change(record_id, fields, moment)


def built():
    """What `Sources` needs, made once for all of them.

    EventCombo keeps four of its events; its manifest is that of all eight.
    """
    box = build_eventcombo(SEED, EventComboKnobs(attendees=1_500))
    for lists in box.app.world.entities.values():
        for event in ("31001", "31006", "31007", "31008"):
            del lists[event]
    return small_accounts(), box


@contextmanager
def _serving(app):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        waiting = threading.Event()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            waiting.wait(0.005)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = server.force_exit = True
        thread.join(60)
        assert not thread.is_alive(), "the server did not end"


def toml(name, table):
    """A table and its sub-tables as TOML; texts, numbers, flags and lists of them."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in plain.items()), ""]
    for key, value in table.items():
        if isinstance(value, dict):
            lines.append(toml(f"{name}.{key}", value))
    return "\n".join(lines)
