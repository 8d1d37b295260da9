"""Read the arguments of the functions of JSON that have words between them.

What says only what is the case anyway is read and forgotten; other behaviour is refused by name.

Not here: other functions with words (special.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from thalweg.sql import problems
from thalweg.sql.grammar.tree import TypeName
from thalweg.sql.grammar.types import read_type

if TYPE_CHECKING:
    from thalweg.sql.grammar.expressions import ExpressionGrammar

_MADE = ("JSON", "JSON_OBJECT", "JSON_ARRAY")
"""The functions whose texts go into others as JSON."""

_USUAL = {
    "JSON_VALUE": (("NULL", "ON", "EMPTY"), ("NULL", "ON", "ERROR")),
    "JSON_QUERY": (
        ("WITHOUT", "WRAPPER"),
        ("WITHOUT", "ARRAY", "WRAPPER"),
        ("RETURNING", "STRING"),
        ("NULL", "ON", "EMPTY"),
        ("NULL", "ON", "ERROR"),
    ),
    "JSON_EXISTS": (("FALSE", "ON", "ERROR"),),
}
"""What is the case if nothing is said."""
_OTHERWISE = ("RETURNING", "WITH", "WITHOUT", "NULL", "ERROR", "DEFAULT", "EMPTY", "TRUE", "FALSE", "UNKNOWN")


def _call(name: str, args: list[exp.Expr]) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=args)


def _has_nulls(grammar: ExpressionGrammar, usual: bool) -> bool:
    """`NULL ON NULL` or `ABSENT ON NULL`."""
    if grammar.take("NULL", "ON", "NULL"):
        return True
    return False if grammar.take("ABSENT", "ON", "NULL") else usual


def _is_over(grammar: ExpressionGrammar) -> bool:
    return any(grammar.at(*words) for words in ((")",), ("NULL", "ON", "NULL"), ("ABSENT", "ON", "NULL")))


def _value(grammar: ExpressionGrammar) -> exp.Expr:
    """A value; what a function of JSON made stays JSON."""
    first = grammar._curr
    found = grammar.value()
    if isinstance(found, exp.Anonymous) and str(found.this).upper() in _MADE:
        inner = found.expressions[0] if str(found.this).upper() == "JSON" and found.expressions else found
        return grammar.since(first, _call("JSON_PART", [inner]))
    return found


def _pair(grammar: ExpressionGrammar) -> list[exp.Expr]:
    grammar.take("KEY")
    name = grammar.value()
    grammar.expect("VALUE")
    return [name, _value(grammar)]


def _object(grammar: ExpressionGrammar) -> exp.Expr:
    pairs = [] if _is_over(grammar) else grammar.items(lambda: _pair(grammar))
    has_nulls = _has_nulls(grammar, usual=True)
    return _call("JSON_OBJECT" if has_nulls else "JSON_OBJECT_ABSENT", [a for pair in pairs for a in pair])


def _array(grammar: ExpressionGrammar) -> exp.Expr:
    values = [] if _is_over(grammar) else grammar.items(lambda: _value(grammar))
    return _call("JSON_ARRAY_NULL" if _has_nulls(grammar, usual=False) else "JSON_ARRAY", values)


def _object_aggregate(grammar: ExpressionGrammar) -> exp.Expr:
    grammar.take("KEY")
    args = [grammar.value()]
    if grammar.take("VALUE"):
        args.append(grammar.value())
    _has_nulls(grammar, usual=True)
    return _call("JSON_OBJECTAGG", args)


def _array_aggregate(grammar: ExpressionGrammar) -> exp.Expr:
    args = grammar._arguments()
    _has_nulls(grammar, usual=False)
    return _call("JSON_ARRAYAGG", args)


def _on_path(name: str) -> Callable[[ExpressionGrammar], exp.Expr]:
    def read(grammar: ExpressionGrammar) -> exp.Expr:
        first = grammar._curr
        made = _call(name, grammar.items(grammar.value))
        if name == "JSON_VALUE" and grammar.take("RETURNING"):
            start = grammar._curr
            to = grammar.since(start, TypeName(this=read_type(grammar, may_cut=False)))
            # what does not fit is an error, and an error is NULL
            made = exp.TryCast(this=grammar.since(first, made), to=to)
            if grammar._prev.text.upper() == "NULL":
                # the word may end a type, and was read as such
                _ = grammar.take("ON", "EMPTY") or grammar.take("ON", "ERROR")
        while any(grammar.take(*words) for words in _USUAL[name]):
            pass
        word = grammar._curr.text.upper() if grammar._curr else ""
        if word in _OTHERWISE:
            raise problems.not_yet(f"{name} with {word} is", grammar.place())
        return made

    return read


JSON_READERS: dict[str, Callable[[ExpressionGrammar], exp.Expr]] = {
    "JSON_OBJECT": _object,
    "JSON_ARRAY": _array,
    "JSON_OBJECTAGG": _object_aggregate,
    "JSON_ARRAYAGG": _array_aggregate,
    **{n: _on_path(n) for n in _USUAL},
}
"""By the name of the function in capitals: reads what is between the parentheses."""
