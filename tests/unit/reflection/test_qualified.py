"""What SQLAlchemy makes for PostgreSQL names operators, functions and types by their schema."""

from __future__ import annotations

import pytest
from sqlalchemy import DateTime, Integer, String, Text, cast, column, func, select, table
from sqlalchemy.exc import CompileError

from messy_migration.reflection.qualified import QualifiedDialect

T = table("t", column("a", String), column("b", Text), column("n", Integer), schema="s")
OP = "OPERATOR(pg_catalog.{})"


def compiled(clause, *, values=True):
    options = {"render_postcompile": values}
    query = select(T.c.n).where(clause)
    return str(query.compile(dialect=QualifiedDialect(), compile_kwargs=options))


@pytest.mark.parametrize(
    ("clause", "text"),
    [
        (T.c.n == 1, f"s.t.n {OP.format('=')} "),
        (T.c.n + T.c.n + T.c.n > 1, f"(s.t.n {OP.format('+')} s.t.n {OP.format('+')} s.t.n)"),
        (T.c.a + T.c.b == "x", OP.format("||")),
        (T.c.n.in_([1, 2]), "ANY (ARRAY[%(n_1_1)s::INTEGER, %(n_1_2)s::INTEGER]::INTEGER[])"),
        (T.c.n.in_([]), "ANY (ARRAY[]::INTEGER[])"),
        (T.c.a.not_in(["x"]), f"(NOT (s.t.a {OP.format('=')} ANY (ARRAY["),
        # What a function gives has no type that SQLAlchemy knows.
        (func.substr(T.c.a, 1, 2).in_(["x"]), "::pg_catalog.text[])"),
        (func.count() == 1, "(pg_catalog.count(*) "),
        (func.coalesce(T.c.a, T.c.b) == "x", "(coalesce(s.t.a, s.t.b) "),
        (cast(T.c.n, Text) == "x", "CAST(s.t.n AS pg_catalog.text)"),
        (cast(T.c.a, DateTime).is_(None), "CAST(s.t.a AS TIMESTAMP WITHOUT TIME ZONE) IS NULL"),
        (T.c.a.is_not(None), "s.t.a IS NOT NULL"),
    ],
)
def test_all_is_named_in_full(clause, text):
    assert text in compiled(clause)


@pytest.mark.parametrize(
    "clause",
    [
        T.c.a.is_distinct_from(T.c.b),
        T.c.n.between(1, 2),
        T.c.n.in_(select(T.c.n)),
        T.c.a.like("x%"),
    ],
    ids=str,
)
def test_what_looks_an_operator_up_by_itself_is_refused(clause):
    with pytest.raises(CompileError, match="by itself"):
        compiled(clause)
