"""What a statement leaves to the search path: read with PostgreSQL's own parser."""

from __future__ import annotations

import re

from pglast import enums, parse_sql
from pglast.visitors import Visitor

_ALONE = {
    enums.A_Expr_Kind.AEXPR_DISTINCT: "IS DISTINCT FROM",
    enums.A_Expr_Kind.AEXPR_NOT_DISTINCT: "IS NOT DISTINCT FROM",
    enums.A_Expr_Kind.AEXPR_NULLIF: "NULLIF",
    enums.A_Expr_Kind.AEXPR_IN: "IN",
    enums.A_Expr_Kind.AEXPR_BETWEEN: "BETWEEN",
    enums.A_Expr_Kind.AEXPR_NOT_BETWEEN: "BETWEEN",
    enums.A_Expr_Kind.AEXPR_BETWEEN_SYM: "BETWEEN",
    enums.A_Expr_Kind.AEXPR_NOT_BETWEEN_SYM: "BETWEEN",
}
_SERIAL = {"serial", "bigserial", "smallserial"}


class _Lookups(Visitor):
    def __init__(self, *, checks):
        super().__init__()
        self.found = []
        self.checks = checks
        self.own = set()

    def say(self, what):
        self.found.append(what)

    def visit_CommonTableExpr(self, _, node):
        self.own.add(node.ctename)

    def visit_RangeVar(self, _, node):
        if node.schemaname is None and node.relname not in self.own:
            self.say(f"table {node.relname}")

    def visit_FuncCall(self, _, node):
        if len(node.funcname) < 2:
            self.say(f"function {node.funcname[0].sval}")

    def visit_TypeName(self, _, node):
        names = [item.sval for item in node.names]
        if len(names) < 2 and names[0] not in _SERIAL:
            self.say(f"type {names[0]}")

    def visit_A_Expr(self, _, node):
        if node.kind in _ALONE:
            self.say(_ALONE[node.kind])
        elif len(node.name) < 2:
            self.say(f"operator {node.name[0].sval}")

    def visit_JoinExpr(self, _, node):
        if node.isNatural or node.usingClause:
            self.say("NATURAL" if node.isNatural else "USING")

    def visit_CaseExpr(self, _, node):
        if node.arg is not None:
            self.say("CASE x WHEN")

    def visit_SubLink(self, _, node):
        kinds = (enums.SubLinkType.ANY_SUBLINK, enums.SubLinkType.ALL_SUBLINK)
        if node.subLinkType in kinds and len(node.operName or ()) < 2:
            self.say("IN or ANY of a query")

    def visit_CollateClause(self, _, node):
        if len(node.collname) < 2:
            self.say(f"collation {node.collname[0].sval}")

    def visit_RangeTableSample(self, _, node):
        if len(node.method) < 2:
            self.say(f"sampling {node.method[0].sval}")

    def visit_IndexElem(self, _, node):
        if node.opclass and len(node.opclass) < 2:
            self.say(f"operator class {node.opclass[0].sval}")

    def visit_SortBy(self, _, node):
        if node.useOp and len(node.useOp) < 2:
            self.say("ORDER BY USING")

    def visit_TypeCast(self, _, node):
        names = [item.sval for item in node.typeName.names]
        text = getattr(getattr(node.arg, "val", None), "sval", None)
        if names[-1].startswith("reg") and text is not None and "." not in text:
            self.say(f"{names[-1]} of {text}")

    def visit_Constraint(self, _, node):
        # A table of the ledger is made while nothing but pg_catalog is on the path.
        if node.contype == enums.ConstrType.CONSTR_CHECK and not self.checks:
            node.raw_expr = None


def lookups(statement, *, checks=True):
    """What in a statement is looked up along the path, or looks an operator up by itself.

    Args:
        statement: one or more; parameters as `$1` or `%(name)s`.
        checks: of CHECK constraints in CREATE TABLE too.
    """
    text = re.sub(r"%\(\w+\)s", "$1", statement)
    visitor = _Lookups(checks=checks)
    # Names of WITH are known before what uses them is looked at.
    first = _Lookups(checks=checks)
    tree = parse_sql(text)
    first(tree)
    visitor.own = first.own
    visitor(tree)
    return visitor.found


def logged(log):
    """The statements in a server's log whose prefix is `%d %a|`: (database, program, text)."""
    entry = re.compile(r"^(\S*) ([^|\n]*)\|LOG:  (?:statement|execute [^:]*): ", re.MULTILINE)
    head = re.compile(r"^\S* [^|\n]*\|\w+:  ", re.MULTILINE)
    for match in entry.finditer(log):
        after = head.search(log, match.end())
        text = log[match.end() : after.start() if after else len(log)]
        yield match[1], match[2], text.replace("\n\t", "\n").strip()
