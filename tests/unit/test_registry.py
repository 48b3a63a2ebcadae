from __future__ import annotations

import logging
import sys

import pytest

from messy_migration import discovery, registry
from messy_migration.errors import ConfigurationError, PluginError, SourceError, UsageProblem

GOOD = """
    @hookimpl
    def streams(settings):
        return ["{name}", settings]

    @hookimpl
    def resolve_secret(reference):
        return "from {name}" if reference.startswith("{name}") else None
"""


def good(name):
    return GOOD.format(name=name)


def refused(*names):
    with pytest.raises(PluginError) as caught:
        registry.build(names)
    assert caught.value.exit_code == 4
    return str(caught.value)


@pytest.mark.parametrize(
    "text, words",
    [
        pytest.param("", "no plugin is named", id="C03-empty"),
        pytest.param(",", "no plugin is named", id="C03-comma"),
        pytest.param("a,,b", "place 2 is empty", id="C04-gap"),
        pytest.param("a, b,a", "a is named twice", id="C04-twice"),
        pytest.param("../../x", "not a plugin name", id="C07-path"),
        pytest.param("os:system", "not a plugin name", id="C07-code"),
        pytest.param("a\n", None, id="C04-trimmed"),
    ],
)
def test_names_on_the_command_line(text, words):
    if words is None:
        assert discovery.parse_names(text) == [text.strip()]
        return
    with pytest.raises(UsageProblem, match=words):
        discovery.parse_names(text)


def test_names_are_trimmed_and_keep_their_order():
    assert discovery.parse_names(" beta , alpha") == ["beta", "alpha"]


def test_case_is_left_for_the_suggestion():
    assert discovery.parse_names("Eventcombo") == ["Eventcombo"]


@pytest.mark.parametrize(
    "name, suggested",
    [pytest.param("Alpha", True, id="C05"), pytest.param("nosuch", False, id="C06")],
)
def test_an_unknown_plugin_names_those_installed(plugin_site, name, suggested):
    plugin_site("alpha", good("alpha"))
    text = refused(name)
    assert f"no plugin '{name}'" in text
    assert "installed are: " in text
    assert "alpha" in text.partition("installed are: ")[2]
    assert ("did you mean 'alpha'" in text) is suggested


@pytest.mark.parametrize(
    "source, words",
    [
        pytest.param("import nosuch_module_x", "'nosuch_module_x' is missing", id="L01-import"),
        pytest.param("def x(:", "SyntaxError at mm_test_bad.py:2", id="L01-syntax"),
        pytest.param("from os import nosuch", "cannot import name", id="L01-name"),
        pytest.param("import sys; sys.exit(0)", "ends the process", id="L02"),
        pytest.param("1 / 0", "ZeroDivisionError at mm_test_bad.py:2", id="L01-other"),
        pytest.param(
            "@hookimpl\ndef streams(settings, colour): ...",
            "hook 'streams' asks for 'colour' but may take settings",
            id="L05",
        ),
        pytest.param(
            "@hookimpl\ndef settings_model(x): ...",
            "hook 'settings_model' asks for 'x' but takes no arguments",
            id="L05-none",
        ),
        pytest.param(
            "@hookimpl\ndef extarct(stream): ...",
            "unknown hook 'extarct' (did you mean 'extract'?)",
            id="L06",
        ),
        pytest.param("def streams(settings): ...", "offers no hook", id="L07"),
    ],
)
def test_a_broken_plugin_is_refused_and_the_others_go_on(plugin_site, source, words):
    plugin_site("bad", source, version="2.1")
    plugin_site("alpha", good("alpha"))
    text = refused("alpha", "bad")
    for part in ("'bad' is broken", "mm-test-bad 2.1", words):
        assert part in text
    # L04: not selected, it does no harm, and the list says what is wrong with it.
    assert registry.build(["alpha"]).names == ("alpha",)
    rows = {row.name: row for row in discovery.installed()}
    assert (rows["bad"].status, rows["bad"].distribution) == ("broken", "mm-test-bad")
    assert words in rows["bad"].problem
    assert (rows["alpha"].status, rows["alpha"].problem) == ("ok", "")
    assert rows["alpha"].hooks == ("resolve_secret", "streams")


def test_several_faults_of_one_plugin_are_told_at_once(plugin_site):
    plugin_site("bad", "@hookimpl\ndef extarct(): ...\n@hookimpl\ndef load(q): ...\n")
    assert "extarct" in refused("bad")
    assert "'q'" in refused("bad")


def test_only_selected_plugins_are_imported(plugin_site):
    plugin_site("alpha", good("alpha"))
    plugin_site("beta", good("beta"))
    registry.build(["beta"])
    assert "mm_test_beta" in sys.modules
    assert "mm_test_alpha" not in sys.modules
    assert {"alpha", "beta"} <= set(discovery.installed_names())
    assert "mm_test_alpha" not in sys.modules


def test_what_a_plugin_prints_at_import_goes_to_the_log_l03(plugin_site, capsys, caplog):
    plugin_site("loud", good("loud") + "\n    print('hello there')\n")
    with caplog.at_level(logging.INFO):
        registry.build(["loud"])
    assert capsys.readouterr().out == ""
    assert "plugin loud printed at import: hello there" in caplog.text


def test_two_distributions_of_one_name_are_both_named_l08(plugin_site):
    plugin_site("alpha", good("alpha"), dist="one", module="mm_test_one")
    plugin_site("alpha", good("alpha"), dist="two", module="mm_test_two")
    text = refused("alpha")
    assert "one 1.0" in text
    assert "two 1.0" in text
    row = registry.describe("alpha")
    assert row.status == "duplicate"
    assert {"one", "two"} == set(row.distribution.split(", "))
    assert "mm_test_one" not in sys.modules


def test_one_distribution_installed_twice_is_refused_l08(plugin_site):
    plugin_site("alpha", good("alpha"), root="site1")
    plugin_site("alpha", good("alpha"), root="site2", version="2.0")
    text = refused("alpha")
    assert "installed twice" in text
    assert "1.0" in text
    assert "2.0" in text


def test_a_folder_twice_on_the_path_is_no_duplicate(plugin_site, monkeypatch):
    folder = plugin_site("alpha", good("alpha"))
    monkeypatch.syspath_prepend(f"{folder}/../{folder.name}")
    assert registry.build(["alpha"]).names == ("alpha",)


def test_one_plugin_under_two_names_is_refused_l09(plugin_site):
    plugin_site("alpha", good("alpha"), entries=["omega"])
    assert registry.build(["omega"]).names == ("omega",)
    assert "alpha and omega are the same plugin" in refused("alpha", "omega")


@pytest.mark.parametrize("name", ["Alpha", "profiles", "migrate"])
def test_a_name_that_cannot_be_one_is_refused_l10(plugin_site, name):
    plugin_site(name, good("x"))
    assert f"'{name}' cannot be the name of a plugin" in refused(name)


def test_hooks_are_called_in_the_order_of_the_names(plugin_site):
    for name in ("alpha", "beta", "gamma"):
        plugin_site(name, good(name))
    built = registry.build(["gamma", "alpha", "beta"])
    assert built.versions["alpha"] == "mm-test-alpha 1.0"
    assert list(built.call_each("streams", settings=7)) == [
        ("gamma", ["gamma", 7]),
        ("alpha", ["alpha", 7]),
        ("beta", ["beta", 7]),
    ]
    assert built.call_one("beta", "streams", settings=1) == ["beta", 1]
    assert built.call_one("beta", "settings_model") is None
    assert built.implements("beta", "streams")
    assert not built.implements("beta", "extract")
    assert built.first("resolve_secret", reference="beta") == "from beta"
    assert built.first("resolve_secret", reference="none") is None


@pytest.mark.parametrize(
    "raised",
    [
        pytest.param("ValueError('bob@example.org')", id="L13"),
        *(
            pytest.param(f"{kind}('bob@example.org')", id=f"L14-{kind}")
            for kind in ("SystemExit", "MemoryError", "RecursionError", "GeneratorExit")
        ),
    ],
)
def test_what_a_hook_raises_is_the_plugins_failure(plugin_site, raised):
    plugin_site("bad", f"@hookimpl\ndef streams(settings):\n    raise {raised}\n")
    built = registry.build(["bad"])
    with pytest.raises(PluginError) as caught:
        built.call_one("bad", "streams", settings=None)
    text = str(caught.value)
    assert "'bad' failed in its hook 'streams'" in text
    assert f"{raised.partition('(')[0]} at mm_test_bad.py:4" in text
    assert "bob" not in text
    assert type(caught.value.__cause__).__name__ == raised.partition("(")[0]


def test_an_error_of_ours_passes_through_a_hook(plugin_site):
    plugin_site(
        "bad",
        "from messy_migration.errors import SourceError\n"
        "@hookimpl\ndef streams(settings):\n    raise SourceError('gone')\n",
    )
    with pytest.raises(SourceError, match="gone"):
        registry.build(["bad"]).call_one("bad", "streams", settings=None)


def test_guard_wraps_what_is_raised_while_iterating(plugin_site):
    plugin_site(
        "bad",
        "@hookimpl\ndef extract(stream):\n    yield stream\n    raise SystemExit(0)\n",
    )
    built = registry.build(["bad"])
    answers = built.call_one("bad", "extract", stream=1, partition=None, settings=None)
    assert next(answers) == 1
    with pytest.raises(PluginError, match="SystemExit at"), built.guard("bad", "extract"):
        next(answers)


def test_guard_lets_a_generator_close(plugin_site):
    plugin_site("alpha", good("alpha"))
    built = registry.build(["alpha"])

    def reading():
        with built.guard("alpha", "extract"):
            yield 1

    generator = reading()
    assert next(generator) == 1
    generator.close()


def test_secrets_come_from_the_core_then_from_plugins_and_are_told(plugin_site):
    plugin_site("vault", good("vault"))
    heard = []
    built = registry.build(["vault"], environment={"A": "one"}, on_secret=heard.append)
    assert built.resolve("env://A") == "one"
    assert built.resolve("vault://x") == "from vault"
    assert heard == ["one", "from vault"]
    with pytest.raises(ConfigurationError, match="aws-sm://x"):
        built.resolve("aws-sm://x")
    with pytest.raises(ConfigurationError, match="the variable B is not set"):
        built.resolve("env://B")


def test_no_plugin_selected_is_an_empty_registry():
    built = registry.build([])
    assert built.names == ()
    assert list(built.call_each("streams", settings=None)) == []
