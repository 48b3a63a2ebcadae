"""Statements that SQLAlchemy makes (the ledger's, above all) with names that no setting can bend.

An operator, a function and a type that it writes is that of `pg_catalog`; what would look an
operator up by itself, and that nothing of ours needs, is refused when it is compiled.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import TEXT, Connection
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGTypeCompiler
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg, PGDialect_psycopg
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import OPERATORS
from sqlalchemy.types import NullType

QUALIFIED = "postgresql+messy_migration"
"""The driver name of a URL whose statements are written like this; the driver is psycopg."""

# Constructs of the grammar, which call nothing by a name.
_GRAMMAR = frozenset({"coalesce", "greatest", "least"})
_NO_LOOKUP = frozenset({"IS", "IS NOT"})
_KEYWORDS = frozenset(
    {"BIGINT", "BIT", "BOOLEAN", "CHAR", "DECIMAL", "DOUBLE", "FLOAT", "INTEGER", "INTERVAL"}
    | {"NUMERIC", "REAL", "SMALLINT", "TIME", "TIMESTAMP", "VARCHAR"}
)
_REFUSED = frozenset({"IS DISTINCT FROM", "IS NOT DISTINCT FROM", "BETWEEN", "NOT BETWEEN"})


class QualifiedCompiler(PGCompiler_psycopg):
    """Writes `OPERATOR(pg_catalog.=)`; in parentheses, since it binds as no other one does."""

    def _generate_generic_binary(
        self,
        binary: Any,
        opstring: str,
        eager_grouping: bool = False,  # noqa: FBT001, FBT002
        **kw: Any,
    ) -> str:
        sign = opstring.strip()
        if sign in _NO_LOOKUP:
            return super()._generate_generic_binary(binary, opstring, eager_grouping, **kw)
        if sign in _REFUSED or sign.isalpha():
            raise CompileError(f"{sign} looks an operator up by itself")
        left = self.process(binary.left, **kw)
        right = self.process(binary.right, **kw)
        return f"({left} OPERATOR(pg_catalog.{sign}) {right})"

    def visit_expression_clauselist(self, clauselist: Any, **kw: Any) -> str:
        """Sums of more than two, and the like."""
        if clauselist.operator in (operators.and_, operators.or_):
            return str(super().visit_expression_clauselist(clauselist, **kw))  # type: ignore[no-untyped-call]
        sign = f" OPERATOR(pg_catalog.{OPERATORS[clauselist.operator].strip()}) "
        return f"({sign.join(self.process(entry, **kw) for entry in clauselist.clauses)})"

    def visit_in_op_binary(self, binary: Any, operator: object, **kw: Any) -> str:
        """IN of bound values."""
        del operator
        left = self.process(binary.left, **kw)
        right: str = self.process(binary.right, **kw)
        # What a function gives is of no known type: then it is a text, as all that we ask of one.
        own = TEXT() if isinstance(binary.left.type, NullType) else binary.left.type
        spelled = self.dialect.type_compiler_instance.process(own)
        # Without its length, or a value would be cut.
        kind = spelled.partition("(")[0].partition(" COLLATE")[0]
        # `([POSTCOMPILE_x])` becomes a list of values when the statement is executed.
        if not right.startswith("(__[POSTCOMPILE_"):
            raise CompileError("IN of a query looks an operator up by itself")
        return f"({left} OPERATOR(pg_catalog.=) ANY (ARRAY[{right[1:-1]}]::{kind}[]))"

    def _refused(self, binary: object, operator: object, **kw: object) -> str:
        del binary, kw
        name = getattr(operator, "__name__", "this")
        raise CompileError(f"{name} looks an operator up by itself")

    visit_like_op_binary = visit_not_like_op_binary = _refused
    visit_ilike_op_binary = visit_not_ilike_op_binary = _refused

    def visit_not_in_op_binary(self, binary: Any, operator: object, **kw: Any) -> str:
        """NOT IN of bound values."""
        return f"(NOT {self.visit_in_op_binary(binary, operator, **kw)})"

    def visit_empty_set_op_expr(self, type_: object, expand_op: object, **kw: Any) -> str:
        """No value at all: an empty array."""
        del type_, expand_op, kw
        return ""

    def visit_function(self, func: Any, *args: Any, **kw: Any) -> str:
        """A function of the database itself."""
        text = str(super().visit_function(func, *args, **kw))
        is_plain = not func.packagenames and text.startswith(f"{func.name}(")
        return f"pg_catalog.{text}" if is_plain and func.name not in _GRAMMAR else text


class QualifiedTypeCompiler(PGTypeCompiler):
    """Names a type with its schema, unless its name is a keyword."""

    def process(self, type_: Any, **kw: Any) -> str:
        """The type as a statement has it."""
        spelled = str(super().process(type_, **kw)).replace(' COLLATE "', ' COLLATE pg_catalog."')
        word = spelled.replace("(", " ").replace("[", " ").split(" ", 1)[0]
        is_named = word in _KEYWORDS or "." in word
        return spelled if is_named else f"pg_catalog.{spelled.lower()}"


class QualifiedDialect(PGDialect_psycopg):
    """psycopg's, writing statements like this, and asking nothing else on its own."""

    driver = "messy_migration"
    supports_statement_cache = True
    statement_compiler = QualifiedCompiler
    type_compiler_cls = QualifiedTypeCompiler

    def __init__(self, **kw: Any) -> None:
        super().__init__(**{"use_native_hstore": False, **kw})  # type: ignore[no-untyped-call]

    def _get_default_schema_name(self, connection: Connection) -> Any:
        return connection.exec_driver_sql("SELECT pg_catalog.current_schema()").scalar()

    def _set_backslash_escapes(self, connection: Connection) -> None:
        # Every transaction of ours sets standard_conforming_strings.
        del connection
        self._backslash_escapes = False


registry.register("postgresql.messy_migration", __name__, "QualifiedDialect")
