"""`migrate compare`, as a person and as a program reads it; `reconcile --between` is the same."""

from __future__ import annotations

import json

import pytest

from messy_migration.cli.main import run


@pytest.fixture
def shell(two_files, capsys, monkeypatch, tmp_path):
    """A function that runs the command: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    two_files.run("CREATE TABLE t (id integer PRIMARY KEY, v text, n integer)")
    for side in (two_files.left, two_files.right):
        side.fill("t", [(1, "a", 1), (2, "b", 2)])

    def call(*arguments, between=(two_files.left.url, two_files.right.url), act=("compare",)):
        code = run([*act, *between, *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    call.two = two_files
    return call


def test_a_match_is_one_line_and_exit_0(shell):
    code, out, _ = shell()
    assert code == 0
    assert out.splitlines()[-1] == "MATCH  2 rows in 1 table: 0 missing, 0 extra, 0 changed"


def test_what_was_left_out_is_in_the_verdict(shell):
    shell.two.right.run("UPDATE t SET n = 9")
    code, out, _ = shell("--ignore", "t.n")
    assert code == 0
    assert out.splitlines()[-1].endswith("(without t.n)")


def test_a_difference_has_key_column_and_rule_and_no_value(shell):
    shell.two.right.run("UPDATE t SET v = 'B' WHERE id = 2")
    code, out, _ = shell()
    assert code == 8
    assert "id=2" in out
    assert "v (case)" in out
    assert out.splitlines()[-1] == "MISMATCH  t: 1 row differs"
    assert "'b'" not in out
    assert "v 'b' -> 'B'" in shell("--show-values")[1]


def test_as_json_it_is_one_object(shell):
    shell.two.right.run("UPDATE t SET v = 'B' WHERE id = 2", "INSERT INTO t VALUES (3, 'c', 3)")
    code, out, _ = shell("--json", "--show-values", "--tables", "t")
    found = json.loads(out)
    assert (found["schema"], found["kind"], found["verdict"]) == (1, "between", "MISMATCH")
    assert code == found["exit_code"] == 8
    (table,) = found["tables"]
    assert (table["left_rows"], table["right_rows"], table["key"]) == (2, 3, ["id"])
    changed, extra = found["differences"]
    assert changed["rules"] == {"v": "case"}
    assert changed["values"] == {"v": {"left": "b", "right": "B"}}
    assert (extra["kind"], extra["key"]) == ("extra", {"id": "3"})
    (located,) = found["located"]
    assert located["rules"] == {"v": {"case": 1}}
    assert located["is_exact"] is True


def test_a_table_may_have_another_name(shell):
    shell.two.right.run("ALTER TABLE t RENAME TO u", "ALTER TABLE u RENAME COLUMN v TO w")
    code, out, _ = shell("--map", "t=u", "--map", "t.v=w")
    assert code == 0
    assert "t = u" in out


def test_urls_may_be_references(shell, monkeypatch):
    monkeypatch.setenv("THERE", shell.two.right.url)
    assert shell(between=(shell.two.left.url, "env://THERE"))[0] == 0


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--ignore", "t"], "is not TABLE.COLUMN"),
        (["--map", "t"], "is not LEFT=RIGHT"),
        (["--tables", "x*"], "no table has such a name"),
        (["--run", "abc"], "--run cannot go with --between"),
        (["--target", "sqlite:///x.db"], "--target cannot go with --between"),
    ],
)
def test_options_that_cannot_be_are_refused(shell, arguments, words):
    code, out, err = shell(*arguments, act=("reconcile", "--between"))
    assert (code, out) == (2, "")
    assert words in err


def test_options_of_a_comparison_need_one(capsys):
    assert run(["reconcile", "--tables", "t"]) == 2
    assert "--tables needs --between" in capsys.readouterr().err


def test_a_password_in_the_command_line_is_refused_and_not_repeated(shell):
    for url in ("postgresql://me:hunter2@db.example.org/x", "mysql://me:hunter2@10.1.2.3/x"):
        code, _, err = shell(between=(shell.two.left.url, url))
        assert code == 2
        assert "holds a password" in err
        assert "hunter2" not in err


@pytest.mark.parametrize(
    "url, code",
    [("sqlite:///gone.db", 6), ("duckdb:///gone.db", 6), ("postgresql://nowhere", 2), ("x", 2),
     ("oracle://h/x", 2), ("env://NOT_SET_ANYWHERE", 3)],
)  # fmt: skip
def test_a_url_that_leads_nowhere_is_one_line(shell, url, code):
    found, out, err = shell(between=(shell.two.left.url, url))
    assert (found, out) == (code, "")
    assert len(err.strip().splitlines()) == 1


def test_the_older_spelling_says_the_same(shell):
    shell.two.right.run("UPDATE t SET v = 'B' WHERE id = 2")
    older = shell("--ignore", "t.n", act=("reconcile", "--between"))
    assert older == shell("--ignore", "t.n")


def test_the_hash_is_named(shell):
    assert json.loads(shell("--json")[1])["hash"] == "SHA-256 of C1"


def test_a_mapping_file_says_what_the_options_say(shell, tmp_path):
    shell.two.right.run("ALTER TABLE t RENAME TO t2", "ALTER TABLE t2 RENAME COLUMN v TO w")
    shell.two.right.run("UPDATE t2 SET n = 9")
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        'only = ["t"]\nignore = ["t.n"]\n[tables]\nt = "t2"\n[columns]\n"t.v" = "w"\n'
    )
    code, out, err = shell("--mapping", str(mapping))
    assert code == 0, err
    by_options = ("--tables", "t", "--ignore", "t.n", "--map", "t=t2", "--map", "t.v=w")
    assert shell(*by_options)[1] == out
    mapping.write_text('[tables]\nt = "gone"\n')
    assert shell("--mapping", str(mapping), *by_options)[0] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("only = [", "Invalid"),
        ("other = 1", "'other' is not one of only, ignore, tables, columns"),
        ("only = 't'", "only is a list of texts"),
        ("ignore = ['t']", "'t' is not TABLE.COLUMN"),
        ("[columns]\nt = 'w'", "'t' is not TABLE.COLUMN"),
        ("[tables]\nt = 1", "[tables] holds names = texts"),
    ],
)
def test_a_mapping_file_that_means_nothing_is_exit_3(shell, tmp_path, text, words):
    mapping = tmp_path / "map.toml"
    mapping.write_text(text)
    code, _, err = shell("--mapping", str(mapping))
    assert code == 3
    assert "the mapping file is not usable" in err
    assert words in err


def test_a_mapping_file_that_is_not_there_is_exit_3(shell):
    code, _, err = shell("--mapping", "nowhere.toml")
    assert code == 3
    assert "No such file" in err
