"""Logging: one chain for structlog, the standard library and warnings, redacted at its end.

Lines go to stderr, for people or as JSON, and as JSON into the `log_file`. An event
(`model.events`) is one line. Nothing leaves without passing the redactor, and where the redactor
fails the text is dropped.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, Final, TextIO

import structlog
from structlog.types import EventDict, ExcInfo, Processor, WrappedLogger

from messy_migration.errors import ConfigurationError
from messy_migration.model.event import CHANNEL, Event
from messy_migration.redaction import Redactor, printable

LOG_BYTES: Final = 10 * 1024 * 1024
"""A log file that is longer is put aside, as `.1`; the ones before it move up."""
LOG_FILES: Final = 5
"""Files that are put aside; the oldest goes."""

_OWN = "messy_migration.handler"


def configure(
    level: str,
    format: str,  # noqa: A002
    redactor: Redactor,
    *,
    run_id: str | None = None,
    color: bool | None = None,
    file: Path | None = None,
) -> None:
    """Set up logging for this process; calling it again replaces the earlier set-up.

    `level` is debug, info, warning or error; `format` is console or json. With `run_id`, every
    line of JSON carries it. `color` None means: on a terminal, unless NO_COLOR is set. `file` is
    written beside stderr, and by every process of a run.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    handlers = [_to_stderr(level, format, redactor, color)]
    if file is not None:
        handlers.append(_to_file(file, redactor))
    root = logging.getLogger()
    for old in [current for current in root.handlers if current.get_name() == _OWN]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        handler.set_name(_OWN)
        handler.setLevel(level.upper())
        root.addHandler(handler)
    root.setLevel(level.upper())
    # Who listens to events hears all of them, whatever is logged.
    logging.getLogger(CHANNEL).setLevel(logging.INFO)
    # Somebody may have taken the warnings back since logging took them, which it does not see.
    logging.captureWarnings(capture=False)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_chain(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    name_run(run_id or "")


@contextmanager
def borrowed() -> Iterator[None]:
    """Give the process's logging back, at the end, as it was; for what a script calls.

    A command of ours keeps its log: what it says after the call is a line of the log, too.
    """
    if any(handler.get_name() == _OWN for handler in logging.getLogger().handlers):
        yield
        return
    with restored():
        yield


@contextmanager
def restored() -> Iterator[None]:
    """Take back, at the end, every set-up of logging that was made meanwhile."""
    root = logging.getLogger()
    level, handlers, events = root.level, list(root.handlers), logging.getLogger(CHANNEL).level
    show_warning = warnings.showwarning
    before = structlog.get_config() if structlog.is_configured() else None
    try:
        yield
    finally:
        for handler in [one for one in root.handlers if one not in handlers]:
            if handler.get_name() == _OWN:
                root.removeHandler(handler)
                handler.close()
        root.setLevel(level)
        logging.getLogger(CHANNEL).setLevel(events)
        if warnings.showwarning is not show_warning:
            logging.captureWarnings(capture=False)
        if before is None:
            structlog.reset_defaults()
        else:
            structlog.configure(**before)


def name_run(run_id: str) -> None:
    """From now on every line of JSON carries this run, whichever thread writes it."""
    for handler in logging.getLogger().handlers:
        if handler.get_name() == _OWN:
            handler.run = run_id  # type: ignore[attr-defined]


def _chain() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Text without local variables: those hold passwords and rows.
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
    ]


def _to_stderr(
    level: str,
    format: str,  # noqa: A002
    redactor: Redactor,
    color: bool | None,  # noqa: FBT001
) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    is_json = format == "json"
    handler.is_json = is_json  # type: ignore[attr-defined]
    if not is_json and level != "debug":
        handler.addFilter(_is_for_people)
    handler.setFormatter(_formatter(redactor, handler, _renderer(format, color), is_json=is_json))
    return handler


def _formatter(
    redactor: Redactor, own: logging.Handler, renderer: Processor, *, is_json: bool
) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_chain(), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _unfolding(own, is_json=is_json),
            redacting(redactor),
            _escaped,
            renderer,
        ],
    )


def _to_file(file: Path, redactor: Redactor) -> logging.Handler:
    try:
        handler = _File(file)
    except OSError as error:
        raise ConfigurationError(
            "the log file cannot be written",
            str(file),
            error.strerror or type(error).__name__,
            "correct log_file in the profile, or the rights of its folder",
        ) from error
    handler.setFormatter(_formatter(redactor, handler, _renderer("json", None), is_json=True))
    return handler


class _File(WatchedFileHandler):
    """Several processes append to this file; the first that finds it too long puts it aside."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, encoding="utf-8")
        self._has_failed = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.reopenIfNeeded()
            if self.stream is not None and os.fstat(self.stream.fileno()).st_size >= LOG_BYTES:
                self._put_aside(self.stream)
        except OSError:
            self.handleError(record)
        else:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say once that lines are lost; a full disk is no reason to end a migration."""
        del record
        if not self._has_failed:
            self._has_failed = True
            why = sys.exc_info()[1]
            logging.getLogger(__name__).warning("lines of the log file are lost: %s", why)

    def _put_aside(self, full: TextIO) -> None:
        try:
            fcntl.flock(full, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another process is about to do it
        path = Path(self.baseFilename)
        if os.fstat(full.fileno()).st_ino == path.stat().st_ino:
            for number in range(LOG_FILES, 0, -1):
                before = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
                if before.exists():
                    before.replace(path.with_name(f"{path.name}.{number}"))
        self.reopenIfNeeded()  # closing gives the lock back


def _is_for_people(record: logging.LogRecord) -> bool:
    """Events that the rest of a command's output tells are no lines of a console."""
    event = getattr(record, "told", None)
    return not isinstance(event, Event) or event.on_screen


def _unfolding(
    own: logging.Handler, *, is_json: bool
) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """The processor that puts the fields of an event, and the run, into its line."""

    def unfold(_logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
        event = line.pop("told", None)
        if isinstance(event, Event):
            facts = event.as_dict()
            text, name, at = line["event"], facts.pop("event"), facts.pop("at")
            del facts["severity"]  # it is the level
            if is_json:
                line.update(facts, event=name, timestamp=at)
            if text == name:
                line.update(facts)
            elif is_json:
                line["text"] = text
        if is_json and (run_id := getattr(own, "run", "")):
            line.setdefault("run", run_id)
        return line

    return unfold


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
