"""Define AND, OR, NOT, the IS TRUE family, NULL handling and CASE.

Three values: NULL AND FALSE is FALSE, NULL OR TRUE is TRUE. What an argument before decides is not
evaluated where it could fail: `b <> 0 AND a / b > 1` is safe, and so are the branches of CASE and
the later arguments of COALESCE. Polars computes the values all the same; the guards only say for
which rows a failure counts.

Not here: comparisons (comparison.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import and_, or_

import polars as pl

from thalweg.base.types import BOOLEAN, FLOAT64, INT32, INT64, NULL, STRING, DataType
from thalweg.expr.common_type import common_type
from thalweg.expr.functions.comparison import equal
from thalweg.expr.functions.few import case_few, logic_few, not_few, null_few
from thalweg.expr.functions.kit import CONDITION, comparable, same, vec, vecs
from thalweg.expr.nodes import REQUIRED, SINGLE
from thalweg.expr.registry import FAILS, Failure, Function, Signature, Vector, register

_NAN = float("nan")


def _conditions(types: Sequence[DataType]) -> Signature | None:
    if len(types) < 2 or not all(t in (BOOLEAN, NULL) for t in types):
        return None
    return Signature((BOOLEAN,) * len(types), BOOLEAN)


def _undecided(*, by: bool) -> Callable[[Sequence[pl.Expr], int], pl.Expr | None]:
    """The rows that no argument before has decided: none of them is `by`."""

    def guard(args: Sequence[pl.Expr], i: int) -> pl.Expr | None:
        if i == 0:
            return None
        open_ = [a.fill_null(value=True) if not by else (~a).fill_null(value=True) for a in args[:i]]
        return reduce(and_, open_)

    return guard


_BOTH = ((True, True), (True, False), (False, True), (False, False), (None, True), (None, False))
_ALL = (*_BOTH, (True, None), (False, None), (None, None))


def _table(*expected: bool | None) -> tuple[Vector, ...]:
    return tuple(vec(args, BOOLEAN, e) for args, e in zip(_ALL, expected, strict=True))


register(
    Function(
        "and",
        _conditions,
        lambda args, types: reduce(and_, args),
        "conditions",
        strict=False,
        guards=_undecided(by=False),
        operator="AND",
        few=logic_few("bitand"),
        vectors=(
            *_table(True, False, False, False, None, False, None, False, None),
            *vecs(BOOLEAN, (True, True, None, None), (None, None, False, False)),
            vec((None, False), (NULL, BOOLEAN), False),
        ),
    )
)
register(
    Function(
        "or",
        _conditions,
        lambda args, types: reduce(or_, args),
        "conditions",
        strict=False,
        guards=_undecided(by=True),
        operator="OR",
        few=logic_few("bitor"),
        vectors=(
            *_table(True, True, True, False, True, None, True, None, None),
            *vecs(BOOLEAN, (False, None, True, True), (False, False, None, None)),
            vec((None, True), (NULL, BOOLEAN), True),
        ),
    )
)
register(
    Function(
        "not",
        CONDITION,
        lambda args, types: ~args[0],
        "one condition",
        operator="NOT",
        few=not_few,
        vectors=vecs(BOOLEAN, (True, False), (False, True), (None, None)),
    )
)

_TESTS: dict[str, tuple[Callable[[pl.Expr], pl.Expr], tuple[bool, bool, bool]]] = {
    "is_true": (lambda a: a.fill_null(value=False), (True, False, False)),
    "is_not_true": (lambda a: ~a.fill_null(value=False), (False, True, True)),
    "is_false": (lambda a: ~a.fill_null(value=True), (False, True, False)),
    "is_not_false": (lambda a: a.fill_null(value=True), (True, False, True)),
    "is_unknown": (lambda a: a.is_null(), (False, False, True)),
    "is_not_unknown": (lambda a: a.is_not_null(), (True, True, False)),
}


def _register_test(name: str) -> None:
    test, (on_true, on_false, on_null) = _TESTS[name]
    register(
        Function(
            name,
            CONDITION,
            lambda args, types: test(args[0]),
            "one condition",
            strict=False,
            vectors=vecs(BOOLEAN, (True, on_true), (False, on_false), (None, on_null)),
        )
    )


for _name in _TESTS:
    _register_test(_name)


def _anything(types: Sequence[DataType]) -> Signature | None:
    return Signature(tuple(types), BOOLEAN) if len(types) == 1 else None


for _name, _on_null in (("is_null", True), ("is_not_null", False)):
    register(
        Function(
            _name,
            _anything,
            (lambda args, types: args[0].is_null())
            if _on_null
            else (lambda args, types: args[0].is_not_null()),
            "one value",
            strict=False,
            few=null_few(is_null=_on_null),
            vectors=(
                *vecs(INT64, (None, _on_null), (0, not _on_null)),
                *vecs(STRING, ("", not _on_null), (None, _on_null)),
                *vecs(FLOAT64, (_NAN, not _on_null)),
            ),
        )
    )


def _still_null(args: Sequence[pl.Expr], i: int) -> pl.Expr | None:
    return reduce(and_, (a.is_null() for a in args[:i])) if i else None


register(
    Function(
        "coalesce",
        same(least=1),
        lambda args, types: pl.coalesce(*args),
        "values of one kind",
        strict=False,
        guards=_still_null,
        vectors=(
            *vecs(INT32, (None, 2, 2), (1, 2, 1), (None, None, None), (None, None, 3, 3)),
            *vecs(FLOAT64, (_NAN, 1.0, _NAN)),
            *vecs((NULL, INT32), (None, 5, 5)),
            *vecs((INT32, FLOAT64), (1, 2.5, 1.0), (None, 2.5, 2.5)),
        ),
        aliases=("ifnull", "nvl"),
    )
)


def _infer_nullif(types: Sequence[DataType]) -> Signature | None:
    shared = comparable(types) if len(types) == 2 else None
    return None if shared is None else Signature((shared, shared), shared)


register(
    Function(
        "nullif",
        _infer_nullif,
        lambda args, types: pl.when(~equal(args[0], args[1], types[0]).fill_null(value=False)).then(args[0]),
        "two values of one kind",
        strict=False,
        vectors=(
            *vecs(INT32, (1, 1, None), (1, 2, 1), (None, 1, None), (1, None, 1)),
            *vecs(STRING, ("", "", None), ("a", "", "a")),
            *vecs(FLOAT64, (_NAN, _NAN, _NAN), (-0.0, 0.0, None)),
        ),
    )
)


def _infer_case(types: Sequence[DataType]) -> Signature | None:
    count = len(types)
    if count < 2 or not all(t in (BOOLEAN, NULL) for t in types[: count // 2 * 2 : 2]):
        return None
    values = [t for i, t in enumerate(types) if not _is_condition(i, count)]
    shared = common_type(values)
    if shared is None:
        return None
    return Signature(tuple(BOOLEAN if _is_condition(i, count) else shared for i in range(count)), shared)


def _is_condition(i: int, count: int) -> bool:
    return i % 2 == 0 and i < count - 1


def _case(args: Sequence[pl.Expr], types: Sequence[DataType]) -> pl.Expr:
    chain = pl.when(args[0]).then(args[1])
    for i in range(2, len(args) - 1, 2):
        chain = chain.when(args[i]).then(args[i + 1])  # type: ignore[assignment]
    return chain.otherwise(args[-1]) if len(args) % 2 else chain


def _reached(args: Sequence[pl.Expr], i: int) -> pl.Expr | None:
    """The rows that get to argument i; the else-value of an odd number of arguments is none of a pair."""
    own = args[i - 1 : i] if i % 2 else []
    before = [~args[k].fill_null(value=False) for k in range(0, i - len(own), 2)]
    masks = [*before, *(a.fill_null(value=False) for a in own)]
    return reduce(and_, masks) if masks else None


register(
    Function(
        "case",
        _infer_case,
        _case,
        "pairs of a condition and a value, then possibly a value for the rest",
        strict=False,
        few=case_few,
        guards=_reached,
        vectors=(
            *vecs(
                (BOOLEAN, INT32, INT32),
                (True, 1, 2, 1),
                (False, 1, 2, 2),
                (None, 1, 2, 2),
                (True, None, 2, None),
            ),
            *vecs((BOOLEAN, INT32), (True, 1, 1), (False, 1, None), (None, 1, None)),
            *vecs((BOOLEAN, STRING, BOOLEAN, STRING, STRING), (False, "a", True, "b", "c", "b")),
            *vecs((BOOLEAN, STRING, BOOLEAN, STRING, STRING), (True, "a", True, "b", "c", "a")),
            *vecs((BOOLEAN, INT32, FLOAT64), (True, 1, 0.5, 1.0), (False, 1, 0.5, 0.5)),
            *vecs((BOOLEAN, NULL, STRING), (False, None, "x", "x"), (True, None, "x", None)),
        ),
    )
)
register(
    Function(
        "if",
        lambda types: _infer_case(types) if len(types) == 3 else None,
        _case,
        "a condition and two values of one kind",
        strict=False,
        guards=_reached,
        vectors=vecs(
            (BOOLEAN, INT64, INT64), (True, 1, 2, 1), (False, 1, 2, 2), (None, 1, 2, 2), (True, None, 2, None)
        ),
    )
)


# -- queries as values -------------------------------------------------------------------------


def _value_and_count(types: Sequence[DataType]) -> Signature | None:
    return Signature((types[0], INT64), types[0]) if len(types) == 2 and types[1] == INT64 else None


register(
    Function(
        SINGLE,
        _value_and_count,
        lambda args, types: args[0],
        "a value, and the number of rows that it stands for",
        failures=(
            Failure(
                lambda args, types: args[1] > 1,
                "data-several-rows",
                "a query that stands for a value has several rows",
            ),
        ),
        strict=False,
        vectors=(
            *vecs((STRING, INT64), ("a", 1, "a"), (None, 1, None), (None, None, None)),
            vec(("a", 2), (STRING, INT64), FAILS),
        ),
    )
)


# -- values of columns that hold no NULL -------------------------------------------------------

register(
    Function(
        REQUIRED,
        lambda types: Signature((types[0],), types[0]) if len(types) == 1 else None,
        lambda args, types: args[0],
        "a value that is not NULL",
        failures=(
            Failure(
                lambda args, types: args[0].is_null(),
                "data-not-null",
                "NULL is written to a column that was declared NOT NULL",
            ),
        ),
        strict=False,
        vectors=(vec((1,), (INT64,), 1), vec(("",), (STRING,), ""), vec((None,), (INT64,), FAILS)),
    )
)
