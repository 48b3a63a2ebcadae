from __future__ import annotations

import json
import logging
import warnings

import pytest
import structlog

from messy_migration import logs
from messy_migration.redaction import MASK, Redactor


@pytest.fixture
def stderr(capsys):
    """A function that gives what the log wrote."""
    return lambda: capsys.readouterr().err


def events(stderr):
    return [json.loads(line) for line in stderr().splitlines()]


@pytest.mark.parametrize("form", ["console", "json"])
def test_secrets_are_masked_from_every_kind_of_logger(stderr, form):
    redactor = Redactor()
    redactor.register("canary-123")
    logs.configure("debug", form, redactor)
    structlog.get_logger("a").info("batch.committed", note="canary-123", token="t-9")
    logging.getLogger("b").warning("std %s", "canary-123")
    logging.getLogger("c").info("extra", extra={"password": "p-9"})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("canary-123", stacklevel=1)
    text = stderr()
    assert len(text.splitlines()) >= 4
    assert text.count(MASK) >= 5
    for leak in ("canary", "t-9", "p-9"):
        assert leak not in text


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_has_no_local_variables(stderr, form):
    logs.configure("info", form, Redactor())

    def fail():
        local = "canary" + "-local"
        raise ValueError(len(local))

    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("batch.failed")
        logging.getLogger("x").exception("std.failed")
    text = stderr()
    assert text.count("ValueError: 12") == 2
    assert "canary-local" not in text


def test_json_lines_carry_the_run_and_the_level(stderr):
    logs.configure("info", "json", Redactor(), run_id="r1")
    structlog.get_logger().info("batch.committed", rows=3)
    logging.getLogger("x").info("hello")
    structlog.get_logger().debug("unseen")
    first, second = events(stderr)
    assert (first["event"], first["rows"], first["run"], first["level"]) == (
        "batch.committed",
        3,
        "r1",
        "info",
    )
    assert (second["event"], second["run"]) == ("hello", "r1")


def test_configuring_again_replaces_the_first_set_up(stderr):
    logs.configure("info", "json", Redactor(), run_id="r1")
    logs.configure("warning", "json", Redactor())
    structlog.get_logger().info("unseen")
    structlog.get_logger().warning("seen")
    (event,) = events(stderr)
    assert event["event"] == "seen"
    assert "run" not in event


def test_where_the_redactor_fails_the_text_is_dropped(stderr):
    class Broken(Redactor):
        def event(self, event):
            raise RuntimeError("canary-123")

    logs.configure("info", "json", Broken())
    structlog.get_logger().info("canary-123", note="canary-123")
    (event,) = events(stderr)
    assert event == {"event": "log.dropped", "level": "info", "cause": "RuntimeError"}
