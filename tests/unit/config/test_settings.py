from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from messy_migration.config import settings
from messy_migration.config.plugin_settings import plugin_settings
from messy_migration.config.secrets import builtin_secret
from messy_migration.errors import ConfigurationError, UsageProblem

CANARY = "canary-7f3a"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory; `here(toml, dotenv)` writes the two files and loads them."""
    monkeypatch.chdir(tmp_path)

    def load(toml=None, dotenv=None, *, env=None, flags=None, config=None, profile=None):
        if toml is not None:
            (tmp_path / "migrate.toml").write_bytes(
                toml.encode() if isinstance(toml, str) else toml
            )
        if dotenv is not None:
            (tmp_path / ".env").write_bytes(dotenv.encode() if isinstance(dotenv, str) else dotenv)
            (tmp_path / ".env").chmod(0o600)
        return settings.load(config, profile, flags or {}, env or {})

    return load


def refused(kind, call, *args, **kwargs):
    with pytest.raises(kind) as caught:
        call(*args, **kwargs)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert CANARY not in text
    assert "\n" not in text
    return text


def default(body):
    return f"[profiles.default]\n{body}\n"


# ---- layers


def test_without_anything_the_defaults_hold(here, tmp_path):
    loaded = here()
    assert loaded.core.target == "sqlite:///migration.db"
    assert loaded.core.plugins == []
    assert loaded.core.batch_records == 50_000
    assert loaded.core.batch_bytes == 32 * 1024 * 1024
    assert loaded.core.quarantine_limit == 1.0
    assert loaded.core.report == Path()
    assert 1 <= loaded.core.worker_count <= 64
    assert (loaded.config, loaded.directory, loaded.profile) == (None, tmp_path, "default")
    assert set(loaded.origins.values()) == {"default"}


@pytest.mark.parametrize(
    "layers, value, origin",
    [
        (0, 5, "migrate.toml [profiles.default]"),
        (1, 6, ".env"),
        (2, 7, "environment MIGRATE_WORKERS"),
        (3, 8, "flag --workers"),
    ],
)
def test_a_flag_wins_over_environment_dotenv_and_profile_e10(here, layers, value, origin):
    loaded = here(
        default("workers = 5"),
        "MIGRATE_WORKERS=6\n" if layers >= 1 else None,
        env={"MIGRATE_WORKERS": "7"} if layers >= 2 else {},
        flags={"workers": 8 if layers >= 3 else None},
    )
    assert loaded.core.workers == value
    assert loaded.origins["workers"] == origin


def test_dotenv_never_reaches_the_environment(here):
    here("", "MIGRATE_WORKERS=6\nSOMETHING_OF_MINE=1\n")
    assert "SOMETHING_OF_MINE" not in os.environ
    assert "MIGRATE_WORKERS" not in os.environ


def test_profile_and_config_come_from_variables_too(here, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x.toml").write_text("[profiles.night]\nworkers = 3\n")
    env = {"MIGRATE_CONFIG": "sub/x.toml", "MIGRATE_PROFILE": "night"}
    loaded = here(env=env)
    assert (loaded.core.workers, loaded.profile) == (3, "night")
    assert loaded.config == tmp_path / "sub" / "x.toml"
    assert loaded.directory == tmp_path / "sub"
    assert loaded.origins["workers"] == "x.toml [profiles.night]"


@pytest.mark.parametrize(
    "variable, value", [("MIGRATE_PLUGINS", "a, b"), ("migrate_plugins", "a,b")]
)
def test_variables_are_read_in_any_case_and_lists_at_commas(here, variable, value):
    assert here(env={variable: value}).core.plugins == ["a", "b"]


def test_the_digest_is_of_both_files_e26(here):
    one = here(default("workers = 1"), "A=1\n").digest
    assert here(default("workers = 1"), "A=1\n").digest == one
    assert here(default("workers = 1"), "A=2\n").digest != one
    assert here(default("workers = 2"), "A=1\n").digest != one


def test_settings_travel_between_processes_and_hide_the_environment(here):
    loaded = here(
        default("workers = 2") + "[files]\na = 1\n",
        env={"MIGRATE_TARGET": f"postgresql://u:{CANARY}@h/d", "X": CANARY},
    )
    assert pickle.loads(pickle.dumps(loaded)) == loaded
    assert CANARY not in repr(loaded)
    with pytest.raises(AttributeError):
        loaded.profile = "other"


# ---- files


@pytest.mark.parametrize(
    "toml, words",
    [
        pytest.param("[profiles.default]\nworkers = = 2\n", "migrate.toml:2:11", id="E01-syntax"),
        pytest.param("[profiles.default\n", "migrate.toml:1:18", id="E01-header"),
        pytest.param("a = [1,", "migrate.toml:1:8", id="E01-end"),
        pytest.param("a = 1\na = 2\n", "migrate.toml:2:", id="E02"),
        pytest.param(b"a = 1\nb = '\xff'\n", "migrate.toml:2:6", id="E01-utf8"),
        pytest.param("a = " + "[" * 5000, "nested too deeply", id="E03"),
        pytest.param("workers = 2\n", "workers stands outside of any table", id="E05-loose"),
        pytest.param("[profiles]\ndefault = 1\n", "profiles.default is not a table", id="E07-prof"),
        pytest.param(
            default("worker = 2"), "worker is not a known key (did you mean 'workers'?)", id="E05"
        ),
        pytest.param(default("workers = true"), "from 1 to 64", id="E04-bool"),
        pytest.param(default("workers = '2'"), "from 1 to 64", id="E04-text"),
        pytest.param(default("workers = 2.0"), "from 1 to 64", id="E04-float"),
        pytest.param(default("target = 5"), "target must be text", id="E07-type"),
        pytest.param(
            default("target = ''"), "target must have a length of at least 1", id="E07-empty"
        ),
        pytest.param(default("quarantine_limit = nan"), "from 0 to 100", id="E24-nan"),
        pytest.param(default("quarantine_limit = -1"), "from 0 to 100", id="E24-negative"),
        pytest.param(default("plugins = 'a'"), "list of names", id="E07-list"),
        pytest.param(default("plugins = ['a', 'a']"), "a is named twice", id="E07-twice"),
        pytest.param(default("log_format = 'xml'"), "must be 'console' or 'json'", id="E07-choice"),
        pytest.param(
            default(f"target_password = '{CANARY}'"), "must be a reference", id="E07-secret"
        ),
    ],
)
def test_a_wrong_file_is_one_line_with_its_place(here, toml, words):
    assert words in refused(ConfigurationError, here, toml)


def test_all_wrong_keys_are_told_at_once_e22(here):
    toml = default(f"workers = 99\nbatch_record = '{CANARY}'\nlog_level = '{CANARY}'")
    text = refused(ConfigurationError, here, toml, env={"MIGRATE_TARGT": CANARY})
    assert "4 settings are wrong" in text
    for part in ("workers must", "batch_record is", "log_level must", "'MIGRATE_TARGET'"):
        assert part in text


@pytest.mark.parametrize("case", ["missing", "directory", "fifo", "huge"])
def test_a_config_path_that_cannot_be_read_c17(here, tmp_path, case):
    path = tmp_path / "c.toml"
    if case == "directory":
        path.mkdir()
    elif case == "fifo":
        os.mkfifo(path)
    elif case == "huge":
        with path.open("wb") as stream:
            stream.truncate(2 * 1024**3)
    words = {"missing": "no such file", "fifo": "not a regular file", "huge": "over 4 MiB"}
    text = refused(ConfigurationError, here, config=path)
    assert words.get(case, "a directory") in text
    assert "c.toml" in text


def test_an_unreadable_config_is_refused_c17(here, tmp_path, monkeypatch):
    (tmp_path / "c.toml").write_text("")

    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert "Permission denied" in refused(ConfigurationError, here, config=tmp_path / "c.toml")


def test_a_profile_that_is_not_there_names_those_that_are(here):
    text = refused(ConfigurationError, here, "[profiles.night]\n", profile="nigth")
    assert "did you mean 'night'" in text
    assert "the profiles are: night" in text


@pytest.mark.parametrize(
    "content, value",
    [
        pytest.param("A=x\r\nB=1\r\n", "x", id="E08-crlf"),
        pytest.param("\ufeffA=x\n", "x", id="E08-bom"),
        pytest.param("export A=x\n", "x", id="E08-export"),
        pytest.param("A='x # y'\n", "x # y", id="E08-quoted-hash"),
        pytest.param("A=x # y\n", "x", id="E08-comment"),
        pytest.param("A=x#y\n", "x#y", id="E08-hash"),
        pytest.param("A=$A${B}\nB=$A\n", "$A${B}", id="E08-cycle"),
    ],
)
def test_dotenv_has_a_defined_reading(here, content, value):
    assert here("", content).environment["A"] == value


@pytest.mark.parametrize(
    "content, words",
    [
        pytest.param(f"B=1\n\n{CANARY}\n", ".env:3", id="E08-no-value"),
        pytest.param(f"A='{CANARY}\n", ".env:1", id="E08-open-quote"),
        pytest.param("A=1\nA=2\n", ".env sets A twice", id="E02-env"),
        pytest.param("MIGRATE_CONFIG=x.toml\n", "decides where .env is", id="E08-config"),
    ],
)
def test_a_wrong_dotenv_names_its_line(here, content, words):
    assert words in refused(ConfigurationError, here, "", content)


def test_a_dotenv_that_everybody_may_read_is_a_warning_e09(here, tmp_path):
    assert here("", "A=1\n").warnings == ()
    (tmp_path / ".env").chmod(0o644)
    (warning,) = here().warnings
    assert "chmod 600" in warning


# ---- flags


@pytest.mark.parametrize("value", [0, -1, 9999, "abc", "1.5"])
def test_workers_out_of_range_c08(here, value):
    text = refused(UsageProblem, here, flags={"workers": value})
    assert f"from 1 to 64 (this machine has {os.cpu_count()} CPUs) (flag --workers)" in text


@pytest.mark.parametrize("value", [0, 10**12])
def test_batch_records_out_of_range_c09(here, value):
    assert "1 to 1000000" in refused(UsageProblem, here, flags={"batch_records": value})


def test_a_wrong_flag_and_a_wrong_file_are_the_configurations_fault(here):
    refused(ConfigurationError, here, default("workerz = 1"), flags={"workers": 0})


# ---- target


def test_a_password_in_an_argument_is_refused_c14(here):
    text = refused(
        UsageProblem, here, flags={"target": f"postgresql://bob:{CANARY}@db.example.org/x"}
    )
    assert "flag --target" in text
    assert "MIGRATE_TARGET_PASSWORD" in text
    assert "bob" not in text


def test_a_password_in_a_file_is_refused_c14(here):
    toml = default(f"target = 'postgresql://bob:{CANARY}@db.example.org/x'")
    assert "migrate.toml [profiles.default]" in refused(ConfigurationError, here, toml)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.3.2.1", "[::1]"])
def test_a_password_for_this_machine_is_taken_with_a_warning(here, host):
    loaded = here(flags={"target": f"postgresql://bob:{CANARY}@{host}/x"})
    (warning,) = loaded.warnings
    assert "holds a password (flag --target)" in warning
    assert CANARY not in warning
    assert settings.target_url(loaded, str).password == CANARY


@pytest.mark.parametrize("host", ["localhost.example.org", "10.0.0.1", "128.0.0.1", "db"])
def test_another_host_is_not_this_machine(here, host):
    refused(UsageProblem, here, flags={"target": f"postgresql://b:{CANARY}@{host}/x"})


def test_a_host_hidden_in_the_query_is_not_this_machine(here):
    refused(UsageProblem, here, flags={"target": f"postgresql://b:{CANARY}@/x?host=10.0.0.1"})


@pytest.mark.parametrize("by", ["env", "dotenv"])
def test_a_password_in_a_variable_is_fine(here, by):
    url = f"postgresql://bob:{CANARY}@db.example.org/x"
    loaded = (
        here(env={"MIGRATE_TARGET": url}) if by == "env" else here("", f"MIGRATE_TARGET={url}\n")
    )
    assert loaded.warnings == ()
    assert settings.target_url(loaded, str).password == CANARY


@pytest.mark.parametrize(
    "url, words",
    [
        pytest.param("nonsense", "no scheme", id="E14-none"),
        pytest.param("postgresql://h:notaport/x", "port is not a number", id="E14-port"),
        pytest.param("postgresql://h:99999/x", "port is outside", id="E14-port-range"),
        pytest.param(
            "oracle://h/x", "'oracle' is not supported, only sqlite and postgresql", id="E14-scheme"
        ),
        pytest.param("mysql://h/x", "a mysql database cannot be a target yet", id="E14-mysql"),
        pytest.param("mariadb+pymysql://h/x", "by reconcile --between", id="E14-mariadb"),
        pytest.param("duckdb:///x.db", "a duckdb database cannot be a target", id="E14-duckdb"),
        pytest.param("postgresql+asyncpg://h/x", "is not supported", id="E14-driver"),
        pytest.param("postgresql://u@:5432/x", "host is empty", id="E14-host"),
        pytest.param("postgresql://h/", "no database", id="E14-database"),
        pytest.param("sqlite://", "no file", id="E14-memory"),
        pytest.param("sqlite:///:memory:", "no file", id="E14-memory-name"),
        pytest.param("sqlite://x.db", "three slashes", id="E14-slashes"),
        pytest.param(f"postgresql://h/x?password={CANARY}", "after the ?", id="E15"),
        pytest.param(
            f"postgresql://u:{CANARY}@{CANARY}@h/x", "write an @ in a password as %40", id="E16"
        ),
    ],
)
@pytest.mark.parametrize("by", ["env", "reference"])
def test_a_target_that_is_no_url_names_the_part(here, url, words, by):
    if by == "env":
        text = refused(ConfigurationError, here, env={"MIGRATE_TARGET": url})
    else:
        loaded = here(default("target = 'env://DATABASE_URL'"))
        text = refused(ConfigurationError, settings.target_url, loaded, lambda _: url)
    assert words in text


def test_a_target_and_its_password_may_be_references(here):
    loaded = here(
        default("target = 'env://DATABASE_URL'\ntarget_password = 'file://pw'"),
        env={"DATABASE_URL": "postgresql://bob@db.example.org:5433/x"},
    )
    (loaded.directory / "pw").write_text(f"{CANARY}\n")
    url = settings.target_url(loaded, lambda ref: builtin_secret(ref, loaded.environment))
    assert (url.username, url.password, url.host, url.port) == (
        "bob",
        CANARY,
        "db.example.org",
        5433,
    )
    assert url.drivername == "postgresql"


def test_two_passwords_contradict_each_other(here):
    env = {"MIGRATE_TARGET": f"postgresql://b:{CANARY}@h/x", "MIGRATE_TARGET_PASSWORD": "other"}
    assert "two passwords" in refused(ConfigurationError, settings.target_url, here(env=env), str)


@pytest.mark.parametrize("path, absolute", [("a.db", False), ("/tmp/a.db", True)])
def test_a_sqlite_file_is_beside_the_configuration(here, tmp_path, path, absolute):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "m.toml").write_text(default(f"target = 'sqlite:///{path}'"))
    url = settings.target_url(here(config=Path("sub/m.toml")), str)
    assert url.database == ("/tmp/a.db" if absolute else str(tmp_path / "sub" / "a.db"))


# ---- secrets


def test_a_secret_file_loses_one_newline_e13(tmp_path):
    path = tmp_path / "s"
    path.write_bytes(b"pass word\r\n")
    assert builtin_secret(f"file://{path}", {}) == "pass word"
    path.write_bytes(b"x\n\n")
    assert builtin_secret(f"file://{path}", {}) == "x\n"


@pytest.mark.parametrize(
    "reference, words",
    [
        pytest.param("env://NOT_THERE", "variable NOT_THERE is not set", id="E11-env"),
        pytest.param("env://EMPTY", "variable EMPTY is empty", id="E12"),
        pytest.param("file:///not/there", "no such file", id="E11-file"),
        pytest.param("file:///", "not a file", id="E11-directory"),
    ],
)
def test_a_secret_that_is_not_to_be_had(reference, words):
    text = refused(ConfigurationError, builtin_secret, reference, {"EMPTY": "", "X": CANARY})
    assert words in text
    assert reference in text


def test_other_schemes_are_left_to_plugins():
    assert builtin_secret("vault://a#b", {}) is None


# ---- plugins


class Stream(BaseModel):
    model_config = ConfigDict(extra="forbid")
    path: str
    null: list[str] = []
    rows: int = 0


class Plugin(BaseSettings):
    model_config = SettingsConfigDict(extra="forbid")
    streams: dict[str, Stream] = {}
    token: SecretStr | None = None
    home: str = "unset"
    base: str = ""

    @field_validator("base")
    @classmethod
    def _anchor(cls, value: str, info: ValidationInfo) -> str:
        if value == "bad":
            raise ValueError(f"{value} is no place")
        return str(info.context["directory"] / value)


def plugin(loaded, resolve=str, model=Plugin):
    return plugin_settings(loaded, "files", model, resolve)


def test_a_section_is_merged_from_file_dotenv_and_environment(here):
    loaded = here(
        "[files.streams.Sales]\npath = 'a'\nrows = 1\n",
        "FILES__STREAMS__SALES__PATH=b\nFILES__STREAMS__SALES__ROWS=2\n",
        env={"files__streams__sales__path": "c", "FILES__STREAMS__Other__Path": "d", "FILES": "x"},
    )
    read = plugin(loaded)
    assert read.streams["Sales"].path == "c"
    assert read.streams["Sales"].rows == 2
    assert read.streams["other"].path == "d"
    assert loaded.origins["files.streams.Sales.path"] == "environment files__streams__sales__path"
    assert loaded.origins["files.streams.Sales.rows"] == ".env"


def test_validators_get_the_directory_and_only_the_plugins_own_variables(
    here, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", CANARY)
    monkeypatch.setenv("TOKEN", CANARY)
    read = plugin(here("[files]\nbase = 'sub'\n"))
    assert read.base == str(tmp_path / "sub")
    assert (read.home, read.token) == ("unset", None)


def test_a_list_in_a_variable_is_json(here):
    loaded = here(
        "[files.streams.a]\npath = '[1]'\n", env={"FILES__STREAMS__A__NULL": '["", "NA"]'}
    )
    read = plugin(loaded)
    assert read.streams["a"].null == ["", "NA"]
    assert read.streams["a"].path == "[1]"


def test_references_of_a_plugin_are_resolved(here):
    loaded = here("[files]\ntoken = 'env://FILES_TOKEN'\n", env={"FILES_TOKEN": CANARY})
    read = plugin(loaded, lambda ref: builtin_secret(ref, loaded.environment))
    assert read.token.get_secret_value() == CANARY
    assert CANARY not in repr(loaded)


@pytest.mark.parametrize(
    "toml, words",
    [
        pytest.param(
            "[files]\nstream = 1\n",
            "files.stream is not a known key (did you mean 'streams'?)",
            id="E05",
        ),
        pytest.param(
            "[files.streams.a]\npath='x'\nrow = 1\n",
            "files.streams.a.row is not a known key (did you mean 'rows'?) (migrate.toml [files])",
            id="E05-deep",
        ),
        pytest.param(
            "[files.streams.a]\n",
            "files.streams.a.path is required (or the variable FILES__STREAMS__A__PATH)",
            id="E06",
        ),
        pytest.param(
            f"[files.streams.a]\npath='x'\nrows='{CANARY}'\n",
            "rows must be a whole number",
            id="E07",
        ),
        pytest.param(
            f"[files]\nstreams = '{CANARY}'\n", "files.streams must be a table", id="E07-table"
        ),
        pytest.param(
            f"[files]\ntoken = ['{CANARY}']\n", "files.token must be text", id="E07-secret"
        ),
        pytest.param(
            "[files]\nbase = 'bad'\n", "files.base is not usable, bad is no place", id="E07-rule"
        ),
    ],
)
def test_a_wrong_section_names_the_dotted_key(here, toml, words):
    assert words in refused(ConfigurationError, plugin, here(toml))


def test_the_words_of_a_plugins_rule_cannot_leak_a_resolved_secret(here):
    class Leaky(BaseModel):
        place: str

        @field_validator("place")
        @classmethod
        def _refuse(cls, value: str) -> str:
            raise ValueError(f"{value} is wrong")

    loaded = here("[files]\nplace = 'env://X'\n")
    text = refused(ConfigurationError, plugin, loaded, lambda _: CANARY, Leaky)
    assert "files.place is not usable, *** is wrong" in text


@pytest.mark.parametrize(
    "env, words",
    [
        ({"FILES__A": "1", "files__a": "2"}, "set the same key"),
        ({"FILES__A": "1", "FILES__A__B": "2"}, "is a single value"),
        ({"FILES__BASE__X": "2"}, "is a single value"),
        ({"FILES__A____B": "2"}, "empty part"),
    ],
)
def test_variables_that_contradict_each_other(here, env, words):
    assert words in refused(ConfigurationError, here, "[files]\nbase = 'x'\n", env=env)


def test_a_plugin_without_settings_takes_none(here):
    assert plugin(here(""), model=None) is None
    assert "takes no settings" in refused(
        ConfigurationError, plugin, here("[files]\na=1\n"), model=None
    )


def test_a_section_of_no_plugin_is_refused_e05(here):
    loaded = here("[fils]\na = 1\n[files]\n[profiles.default]\n")
    text = refused(ConfigurationError, settings.unknown_sections, loaded, ["files", "vivenu"])
    assert "[fils] names no installed plugin (did you mean 'files'?)" in text
    settings.unknown_sections(loaded, ["files", "fils"])


def test_names_in_a_profile_are_trimmed(here):
    assert here(default("plugins = [' a ', 'b']")).core.plugins == ["a", "b"]
