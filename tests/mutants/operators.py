"""Mutants made by machine: one small change to one place of a module's text.

Names, texts and types stay as they are: a text is for people or is SQL, whose slips are written
by hand, and a wrong type is mypy's to find. What stands in a `raise` is left alone too, since no
test is to depend on the wording of an error, and so is `strict=` of a zip, an assertion about
ourselves that nobody's input can break.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_COMPARISONS = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
_ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "+"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
_BOOLEAN = {ast.And: ("and", "or"), ast.Or: ("or", "and")}


@dataclass(frozen=True)
class Mutant:
    """A change.

    Attributes:
        function: in which it is, with its class; empty at the top of the module.
        operator: the kind of change.
        before, after: the line that is changed, as it was and as it is.
        text: the whole module.
    """

    function: str
    operator: str
    before: str
    after: str
    text: str


def mutants(source):
    """All mutants of a module, in the order of its text."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return finder.found


class _Finder(ast.NodeVisitor):
    """Walks a module and notes what can be changed."""

    def __init__(self, source):
        self._bytes = source.encode()
        self._starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._path = []
        self.found = []

    def _begin(self, node):
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node):
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def _note(self, operator, begin, end, text):
        new = self._bytes[:begin] + text.encode() + self._bytes[end:]
        first = self._bytes.rfind(b"\n", 0, begin) + 1
        last = self._bytes.find(b"\n", end)
        line = self._bytes[first:last].decode()
        changed = new[first : last + len(new) - len(self._bytes)].decode()
        place = ".".join(self._path)
        self.found.append(Mutant(place, operator, line.strip(), changed.strip(), new.decode()))

    def _between(self, operator, left, right, words):
        """Change what stands between two nodes."""
        begin, end = self._end(left), self._begin(right)
        between = self._bytes[begin:end].decode()
        old, new = words
        pattern = rf"\b{old}\b" if old.isalpha() else re.escape(old).replace(r"\ ", r"\s+")
        changed = re.sub(pattern, new, between, count=1)
        if changed != between:
            self._note(operator, begin, end, changed)

    def visit_FunctionDef(self, node):
        self._path.append(node.name)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)
        self._path.pop()

    def visit_ClassDef(self, node):
        self._path.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self._path.pop()

    def visit_AnnAssign(self, node):
        if node.value is not None:
            self.visit(node.value)

    def visit_JoinedStr(self, node):
        """A text."""

    def visit_Raise(self, node):
        self._note("statement", self._begin(node), self._end(node), "pass")

    def visit_Continue(self, node):
        self._note("statement", self._begin(node), self._end(node), "pass")

    visit_Break = visit_Continue  # noqa: N815

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Constant):
            return
        if isinstance(node.value, ast.Call):
            self._note("statement", self._begin(node), self._end(node), "pass")
        self.visit(node.value)

    def visit_AugAssign(self, node):
        self._note("statement", self._begin(node), self._end(node), "pass")
        self.visit(node.value)

    def visit_Return(self, node):
        if node.value is None:
            return
        is_none = isinstance(node.value, ast.Constant) and node.value.value is None
        if not is_none:
            self._note("return", self._begin(node.value), self._end(node.value), "None")
        self.visit(node.value)

    def visit_Compare(self, node):
        sides = [node.left, *node.comparators]
        for left, kind, right in zip(sides, node.ops, sides[1:], strict=False):
            self._between("comparison", left, right, _COMPARISONS[type(kind)])
        self.generic_visit(node)

    def visit_BinOp(self, node):
        is_text = any(
            isinstance(side, ast.JoinedStr)
            or (isinstance(side, ast.Constant) and isinstance(side.value, str))
            for side in (node.left, node.right)
        )
        if not is_text and type(node.op) in _ARITHMETIC:
            self._between("arithmetic", node.left, node.right, _ARITHMETIC[type(node.op)])
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between("boolean", left, right, _BOOLEAN[type(node.op)])
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.Not):
            self._note("boolean", self._begin(node), self._begin(node) + len("not"), "")
        elif isinstance(node.op, ast.USub):
            self._note("arithmetic", self._begin(node), self._begin(node) + len("-"), "")
        self.generic_visit(node)

    def _condition(self, test):
        begin, end = self._begin(test), self._end(test)
        self._note("condition", begin, end, f"not ({self._bytes[begin:end].decode()})")

    def visit_If(self, node):
        self._condition(node.test)
        self.generic_visit(node)

    visit_IfExp = visit_If  # noqa: N815

    def visit_comprehension(self, node):
        for test in node.ifs:
            self._condition(test)
        self.generic_visit(node)

    def visit_keyword(self, node):
        if node.arg != "strict":
            self.visit(node.value)

    def visit_Constant(self, node):
        if isinstance(node.value, bool):
            self._note("constant", self._begin(node), self._end(node), str(not node.value))
        elif isinstance(node.value, int):
            self._note("constant", self._begin(node), self._end(node), str(node.value + 1))
