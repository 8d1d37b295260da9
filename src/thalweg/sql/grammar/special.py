"""Read the arguments of functions that have words between them, such as `EXTRACT(DAY FROM x)`.

Each reader turns its words into an ordinary call, so that the binder meets one form only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from thalweg.sql.grammar.json_calls import JSON_READERS
from thalweg.sql.grammar.tree import TypeName
from thalweg.sql.grammar.types import read_type, read_unit

if TYPE_CHECKING:
    from thalweg.sql.grammar.expressions import ExpressionGrammar


def _cast(grammar: ExpressionGrammar) -> exp.Expr:
    return _conversion(grammar, exp.Cast)


def _try_cast(grammar: ExpressionGrammar) -> exp.Expr:
    return _conversion(grammar, exp.TryCast)


def _conversion(grammar: ExpressionGrammar, kind: type[exp.Cast]) -> exp.Expr:
    value = grammar.value()
    grammar.expect("AS")
    first = grammar._curr
    to = grammar.since(first, TypeName(this=read_type(grammar, may_cut=False)))
    return kind(this=value, to=to)


def _call(name: str, *args: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(args))


def _extract(grammar: ExpressionGrammar) -> exp.Expr:
    unit = _unit(grammar)
    grammar.expect("FROM")
    return _call("EXTRACT", unit, grammar.value())


def _unit(grammar: ExpressionGrammar) -> exp.Expr:
    """A unit of time as a text; the function says which units it knows."""
    first = grammar._curr
    word = grammar.name("a unit of time such as DAY").name.upper()
    return grammar.since(first, exp.Literal.string(word))


def _unit_first(name: str) -> Callable[[ExpressionGrammar], exp.Expr]:
    def read(grammar: ExpressionGrammar) -> exp.Expr:
        unit = _unit(grammar)
        grammar.expect(",")
        return _call(name, unit, *grammar.items(grammar.value))

    return read


def _trim(grammar: ExpressionGrammar) -> exp.Expr:
    names = {"BOTH": "TRIM", "LEADING": "LTRIM", "TRAILING": "RTRIM"}
    side = next((s for s in names if grammar.take(s)), None)
    if side is not None and grammar.take("FROM"):
        return _call(names[side], grammar.value())
    first = grammar.value()
    if grammar.take("FROM"):
        return _call(names[side or "BOTH"], grammar.value(), first)
    if side is not None:
        raise grammar.unexpected(expected="FROM")
    rest = grammar.items(grammar.value) if grammar.take(",") else []
    return _call("TRIM", first, *rest)


def _substring(grammar: ExpressionGrammar) -> exp.Expr:
    args = [grammar.value()]
    if grammar.take("FROM"):
        args.append(grammar.value())
        if grammar.take("FOR"):
            args.append(grammar.value())
    elif grammar.take(","):
        args += grammar.items(grammar.value)
    return _call("SUBSTRING", *args)


def _position(grammar: ExpressionGrammar) -> exp.Expr:
    # IN would be taken for the operator, so the part is read below its level
    part = grammar._parse_bitwise()
    assert part is not None, "a missing operand is an error already"
    grammar.expect("IN")
    return _call("POSITION", part, grammar.value())


def _overlay(grammar: ExpressionGrammar) -> exp.Expr:
    args = [grammar.value()]
    if grammar.take(","):
        return _call("OVERLAY", *args, *grammar.items(grammar.value))
    grammar.expect("PLACING")
    args.append(grammar.value())
    grammar.expect("FROM")
    args.append(grammar.value())
    if grammar.take("FOR"):
        args.append(grammar.value())
    return _call("OVERLAY", *args)


def _rounding(name: str) -> Callable[[ExpressionGrammar], exp.Expr]:
    def read(grammar: ExpressionGrammar) -> exp.Expr:
        args = [grammar.value()]
        if grammar.take("TO"):
            first = grammar._curr
            args.append(grammar.since(first, exp.Literal.string(read_unit(grammar))))
        return _call(name, *args)

    return read


READERS: dict[str, Callable[[ExpressionGrammar], exp.Expr]] = {
    "CAST": _cast,
    "TRY_CAST": _try_cast,
    "EXTRACT": _extract,
    "TRIM": _trim,
    "SUBSTRING": _substring,
    "SUBSTR": _substring,
    "POSITION": _position,
    "OVERLAY": _overlay,
    **JSON_READERS,
    **{n: _unit_first(n) for n in ("TIMESTAMPADD", "TIMESTAMPDIFF")},
    **{n: _rounding(n) for n in ("CEIL", "CEILING", "FLOOR")},
}
"""By the name of the function in capitals: reads what is between the parentheses."""
