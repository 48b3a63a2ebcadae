"""What somebody makes who may create in `public`, to run in the place of the server's own."""

from __future__ import annotations

FUNCTIONS = {
    "concat_ws(text, text, text, text)": "text",
    "octet_length(text)": "integer",
    "convert_to(text, name)": "bytea",
    "sha256(bytea)": "bytea",
    "trim_scale(numeric)": "numeric",
    "encode(bytea, text)": "text",
    "hashtextextended(text, bigint)": "bigint",
    "hashint4extended(integer, bigint)": "bigint",
    "get_byte(bytea, integer)": "integer",
    "current_schema()": "name",
    "current_setting(text)": "text",
    "set_config(text, text, boolean)": "text",
    "format_type(oid, integer)": "text",
    "quote_ident(text)": "text",
}
OPERATORS = {
    "=": ("varchar", "varchar", "boolean"),
    "<>": ("varchar", "varchar", "boolean"),
    "||": ("text", "text", "text"),
    "#": ("bigint", "bigint", "bigint"),
    "&": ("bigint", "integer", "bigint"),
}


TRACES = "SELECT is_called::pg_catalog.int4 FROM public.trace"
"""1 if any of it ran."""


def hostile(role="public"):
    """Statements that make some twenty functions, operators, types and casts.

    Each leaves a trace if it runs, which whoever has the given role may do.
    """
    body = (
        "LANGUAGE plpgsql AS $$BEGIN PERFORM pg_catalog.nextval('public.trace'); RETURN NULL; END$$"
    )
    yield "CREATE SEQUENCE public.trace"
    yield f"GRANT ALL ON SEQUENCE public.trace TO {role}"
    for signature, gives in FUNCTIONS.items():
        yield f"CREATE FUNCTION public.{signature} RETURNS {gives} {body}"
    for number, (sign, (left, right, gives)) in enumerate(OPERATORS.items()):
        yield f"CREATE FUNCTION public.operator_{number}({left}, {right}) RETURNS {gives} {body}"
        yield (
            f"CREATE OPERATOR public.{sign} (FUNCTION = public.operator_{number},"
            f" LEFTARG = {left}, RIGHTARG = {right})"
        )
    yield "CREATE DOMAIN public.text AS pg_catalog.text CHECK (VALUE OPERATOR(pg_catalog.<>) 'x')"
    yield "CREATE TYPE public.evil AS (n integer)"
    yield f"CREATE FUNCTION public.evil(integer) RETURNS public.evil {body}"
    yield "CREATE CAST (integer AS public.evil) WITH FUNCTION public.evil(integer) AS IMPLICIT"
