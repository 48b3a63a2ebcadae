"""Logging: one chain for structlog, the standard library and warnings, redacted at its end.

Events go to stderr, as lines for people or as JSON. Nothing leaves without passing the
redactor, and where the redactor fails the text is dropped.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import structlog
from structlog.types import EventDict, ExcInfo, Processor, WrappedLogger

from messy_migration.redaction import Redactor, printable

_OWN = "messy_migration.handler"


def configure(
    level: str,
    format: str,  # noqa: A002
    redactor: Redactor,
    *,
    run_id: str | None = None,
    color: bool | None = None,
) -> None:
    """Set up logging for this process; calling it again replaces the earlier set-up.

    `level` is debug, info, warning or error; `format` is console or json. With `run_id`, every
    event carries it. `color` None means: on a terminal, unless NO_COLOR is set.
    """
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Text without local variables: those hold passwords and rows.
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*chain, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redacting(redactor),
            _escaped,
            _renderer(format, color),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name(_OWN)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [item for item in root.handlers if item.get_name() == _OWN]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *chain,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.unbind_contextvars("run")
    if run_id is not None:
        structlog.contextvars.bind_contextvars(run=run_id)


def redacting(redactor: Redactor) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """The processor that masks secrets, and drops the text of an event if it cannot."""

    def redact(_logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        try:
            return redactor.event(event)
        except Exception as error:  # noqa: BLE001  whatever fails here, nothing may get out
            return {"event": "log.dropped", "level": name, "cause": type(error).__name__}

    return redact


def _escaped(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """The event with nothing in it that acts on the terminal; the lines of a traceback stay."""
    return {
        printable(name): "\n".join(printable(line) for line in value.split("\n"))
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }


def _renderer(format: str, color: bool | None) -> Processor:  # noqa: A002, FBT001
    if format == "json":
        return structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False)
    if color is None:
        color = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return structlog.dev.ConsoleRenderer(colors=color, exception_formatter=_plain, pad_event_to=0)


def _plain(stream: Any, exc_info: ExcInfo) -> None:
    structlog.dev.plain_traceback(stream, exc_info)
