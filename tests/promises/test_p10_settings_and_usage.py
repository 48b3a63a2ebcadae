"""What is typed and configured wrongly: one line, the exit code, and nothing is written."""

from __future__ import annotations

import pytest

GOOD = "id,name\n1,a\n2,b\n"


@pytest.fixture
def shop(project):
    project.stream("shop", GOOD)
    return project


def assert_refused(project, result, code, *words):
    assert result.code == code, result.err
    for word in words:
        assert word in result.error
    assert result.out == ""
    assert not (project.folder / "m.db").exists()


PLUGINS = {
    "C06-unknown": ("nosuch", None, ["'nosuch'", "installed are: "]),
    "C05-case": ("Files", None, ["did you mean 'files'"]),
    "misspelt": ("fiels", None, ["did you mean 'files'"]),
    "L01-import": ("broken", "import not_there_at_all", ["'not_there_at_all' is missing"]),
    "L01-syntax": ("broken", "def (:", ["SyntaxError at mm_test_broken.py:2"]),
    "L02-exit": ("broken", "raise SystemExit(0)", ["ends the process"]),
    "L05-argument": (
        "broken",
        "@hookimpl\ndef extract(stream, colour): ...",
        ["'colour'", "may take stream, partition, settings"],
    ),
    "L06-hook": ("broken", "@hookimpl\ndef extrakt(): ...", ["did you mean 'extract'"]),
    "L07-nothing": ("broken", "x = 1", ["offers no hook"]),
    "L13-streams": ("broken", "@hookimpl\ndef streams():\n    raise KeyError(1)", ["KeyError"]),
    "L14-exit-in-hook": ("broken", "@hookimpl\ndef streams():\n    exit(0)", ["SystemExit"]),
    "L15-none-streams": ("broken", "@hookimpl\ndef streams():\n    return [3]", ["not its own"]),
    "L15-int": ("broken", "@hookimpl\ndef streams():\n    return 3", ["broken", "streams"]),
}


@pytest.mark.parametrize("name, source, words", PLUGINS.values(), ids=PLUGINS)
def test_a_plugin_that_cannot_be_used_is_exit_4(shop, install, name, source, words):
    if source is not None:
        install(name, source)
    assert_refused(shop, shop.migrate("run", "--plugins", name), 4, *words)


def test_L08_two_distributions_of_one_name_are_both_named(shop, install):  # noqa: N802
    install("twice", "@hookimpl\ndef streams(): return []", dist="mm-test-one")
    install("twice", "@hookimpl\ndef streams(): return []", dist="mm-test-two")
    result = shop.migrate("run", "--plugins", "files,twice")
    assert_refused(shop, result, 4, "mm-test-one", "mm-test-two")


def test_L04_a_broken_plugin_that_is_not_selected_stops_nothing(shop, install):  # noqa: N802
    install("broken", "import not_there_at_all")
    assert shop.migrate("run").code == 0
    listed = shop.migrate("plugins", "list")
    assert "broken" in listed.out
    assert "not_there_at_all" in listed.err


USAGE = {
    "C03-no-plugin": (["--plugins", ","], ["no plugin is named"]),
    "C04-twice": (["--plugins", "files,files"], ["files is named twice"]),
    "C07-path": (["--plugins", "../../x"], ["'../../x' is not a plugin name"]),
    "C08-workers": (["--workers", "0"], ["--workers"]),
    "C02-option": (["--plugin", "files"], ["--plugins"]),
    "select-nothing": (["--select", "files.shp"], ["'files.shp' names no stream", "files.shop"]),
    "target-kind": (["--target", "oracle://h/d"], ["'oracle' is not supported"]),
    "target-to-come": (["--target", "mysql://h/d"], ["cannot be a target yet"]),
}


@pytest.mark.parametrize("argv, words", USAGE.values(), ids=USAGE)
def test_a_wrong_command_line_is_exit_2(shop, argv, words):
    result = shop.migrate("run", *argv)
    assert result.code in ((3,) if "--target" in argv else (2,))
    assert_refused(shop, result, result.code, *words)


@pytest.mark.parametrize("host", ["db.example.com", "10.1.2.3"])
@pytest.mark.parametrize("more", [[], ["--json"], ["--debug"]], ids=["plain", "json", "debug"])
def test_C14_a_password_in_target_is_refused_and_not_echoed(shop, host, more):  # noqa: N802
    result = shop.migrate("run", "--target", f"postgresql://u:Canary-Pw-91@{host}/d", *more)
    assert result.code == 2
    assert "holds a password" in result.err
    assert "MIGRATE_TARGET_PASSWORD" in result.err
    assert "Canary-Pw-91" not in result.out + result.err


CONFIGURATION = {
    "E05-core": ("quarantine_limt = 2", "", ["quarantine_limt", "did you mean"]),
    "E05-stream": ("", "[files.streams.other]\npth = 'x'\nschema = 'y'", ["pth", "did you mean"]),
    "E05-section": ("", "[fyles]\nx = 1", ["[fyles]", "did you mean 'files'"]),
    "E06-missing": ("", "[files.streams.other]\npath = 'x'", ["files.streams.other.schema"]),
    "E07-type": ("workers = 'many'", "", ["workers"]),
    "E01-syntax": ("= = =", "", ["migrate.toml:5"]),
    "E11-unset": ("target_password = 'env://MM_TEST_NOT_SET'", "", ["MM_TEST_NOT_SET is not set"]),
    "E11-file": ("target_password = 'file:///no/such/file'", "", ["no such file"]),
}


@pytest.mark.parametrize("profile, sections, words", CONFIGURATION.values(), ids=CONFIGURATION)
def test_a_wrong_configuration_is_exit_3(shop, profile, sections, words):
    shop.configure(profile.replace("workers", "batch_records"), sections)
    words = [word.replace("workers", "batch_records") for word in words]
    assert_refused(shop, shop.migrate("run"), 3, *words)


SCHEMAS = {
    "unknown-key": ('name = { type = "text", requird = true }', "", ["'requird'", "required"]),
    "unknown-top-key": ('name = { type = "text" }', "colour = 1", ["'colour'", "shop.toml"]),
    "unknown-type": ('name = { type = "txt" }', "", ["'txt'", "the types are text"]),
    "no-key-column": ('name = { type = "text" }\nid2 = { type = "text" }', "", ["id"]),
}


@pytest.mark.parametrize("columns, top, words", SCHEMAS.values(), ids=SCHEMAS)
def test_a_wrong_schema_file_is_exit_3(shop, columns, top, words):
    shop.stream("shop", GOOD, columns=columns, top=top)
    assert_refused(shop, shop.migrate("run"), 3, *words)


@pytest.mark.parametrize("command", ["reconcile", "status"])
def test_C15_looking_at_a_target_before_any_run_is_exit_2(shop, command):  # noqa: N802
    assert_refused(shop, shop.migrate(command), 2, "migrate run")


@pytest.mark.parametrize("command", ["reconcile", "status"])
def test_a_database_that_never_saw_a_run_is_exit_2(anywhere, command):
    anywhere.execute("CREATE TABLE theirs (id integer)")
    result = anywhere.migrate(command)
    assert result.code == 2
    assert "nothing was ever loaded" in result.error


def test_a_run_id_that_nothing_has_is_exit_2_and_another_target_too(shop):
    assert shop.migrate("run").code == 0
    unknown = shop.migrate("reconcile", "--run", "ffff")
    assert unknown.code == 2
    assert "'ffff'" in unknown.error
    elsewhere = shop.migrate("reconcile", "--target", f"sqlite:///{shop.folder / 'other.db'}")
    assert elsewhere.code == 2
    assert not (shop.folder / "other.db").exists()
    assert shop.migrate("reconcile").code == 0
