"""Call the user's Python functions on columns, and find out what went wrong when they raise.

A row function gets one row's Python values and is called once per row; a column function gets one
`polars.Series` per argument. Both see every row by itself, in any cut of the data, so they are
elementwise expressions for Polars and run in its streaming engine.

Polars re-creates exceptions that pass through its expressions and loses what they carried. So an
error travels as a numbered stand-in (`Carried`); whoever runs an expression calls `unwrap`.

Not here: which rows are evaluated (compile.py), where functions come from (session/).
"""

from __future__ import annotations

import inspect
import re
import sys
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from traceback import extract_tb
from typing import Any

import polars as pl

from thalweg.base.types import DataType, outer_type
from thalweg.columnar.outside import python_values
from thalweg.errors import DataError, ThalwegError, TypeMismatch
from thalweg.expr.nodes import PythonCall, PythonFunction

_KEPT_MAX = 256
_kept: OrderedDict[int, ThalwegError] = OrderedDict()
_numbers = count(1)


class Carried(Exception):
    """Stands for an error of ours on its way through Polars; takes nothing but a text."""


def carry(error: ThalwegError) -> Carried:
    """The stand-in to raise inside a Polars expression in the place of `error`."""
    number = next(_numbers)
    _kept[number] = error
    while len(_kept) > _KEPT_MAX:
        _kept.popitem(last=False)
    return Carried(f"<thalweg error {number}> {error}")


def unwrap(error: BaseException) -> BaseException:
    """The error that `error` stands for, or `error` itself.

    Example:
        >>> inner = DataError("no", code="data-x")
        >>> unwrap(carry(inner)) is inner
        True
    """
    found = re.search(r"<thalweg error (\d+)>", str(error))
    return error if found is None else _kept.get(int(found[1]), error)


@contextmanager
def unwrapped() -> Iterator[None]:
    """Errors of ours that come out of Polars inside the block are raised as themselves."""
    try:
        yield
    except Exception as error:
        inner = unwrap(error)
        if inner is error:
            raise
        raise inner from inner.__cause__


def check_arguments(call: PythonCall) -> None:
    """Refuse a call that the function cannot be called with; one that does not say what it takes is believed.

    Raises:
        TypeMismatch: `expr-python-arguments`.
    """
    try:
        signature = inspect.signature(call.function.call)
    except (TypeError, ValueError):  # a callable without a signature, as some builtins are
        return
    try:
        signature.bind(*call.args)
    except TypeError as error:
        count = len(call.args)
        raise TypeMismatch(
            f'the Python function "{call.function.name}" cannot be called so: {error}',
            code="expr-python-arguments",
            where=call.span,
            expected=f"{call.function.name}({', '.join(map(str, signature.parameters.values()))})",
            found=f"{call} with {count} argument{'' if count == 1 else 's'}",
        ) from None


def build_python_call(
    call: PythonCall,
    args: Sequence[pl.Expr],
    guard: pl.Expr | None = None,
    height: pl.Expr | None = None,
) -> pl.Expr:
    """The call as a Polars expression.

    Args:
        call: the function and, for messages, how the call was written.
        args: the arguments.
        guard: true for the rows to call the function on; the others get NULL.
        height: any column: says how many rows there are when no argument does.
    """
    function = call.function
    inputs = list(args) + [e for e in (guard, height) if e is not None]

    def run(columns: Sequence[pl.Series]) -> pl.Series:
        try:
            return _run(call, columns, guarded=guard is not None)
        except ThalwegError as error:
            raise carry(error) from None

    inputs = inputs or [pl.lit(0)]
    return pl.map_batches(inputs, run, return_dtype=function.result.polars, is_elementwise=True)


def _run(call: PythonCall, columns: Sequence[pl.Series], *, guarded: bool) -> pl.Series:
    length = min(map(len, columns)) if 0 in map(len, columns) else max(map(len, columns))
    whole = [c if len(c) == length else pl.repeat(c[0], length, dtype=c.dtype, eager=True) for c in columns]
    args = whole[: len(call.args)]
    compute = _rows if call.function.by == "row" else _columns
    if not guarded:
        return compute(call, args, length)
    rows = whole[len(args)].fill_null(value=False).arg_true()
    if len(rows) == length:
        return compute(call, args, length)
    part = compute(call, [a.gather(rows) for a in args], len(rows))
    empty = pl.repeat(None, length, dtype=part.dtype, eager=True)
    return empty.scatter(rows, part) if len(rows) else empty


def _rows(call: PythonCall, args: Sequence[pl.Series], length: int) -> pl.Series:
    function = call.function
    rows: Any = zip(*map(python_values, args), strict=True) if args else [()] * length
    values = []
    for row in rows:
        try:
            values.append(function.call(*row))
        except Exception as error:
            raise _raised(call, error, row) from error
    try:
        return _series(values, function.result)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        raise _misfit(call, args, values) from None


def _columns(call: PythonCall, args: Sequence[pl.Series], length: int) -> pl.Series:
    function = call.function
    try:
        found = function.call(*args)
    except Exception as error:
        row = _first_failing(function, args, length)
        raise _raised(call, error, () if row is None else tuple(a[row] for a in args)) from error
    if not isinstance(found, pl.Series):
        raise _wrong(function, f"a value of Python type {type(found).__name__}", "a polars.Series")
    if len(found) != length:
        raise _wrong(
            function, f"a column of {len(found)} rows", f"one of {length} rows, as its arguments have"
        )
    return _converted(function, found)


def _first_failing(function: PythonFunction, args: Sequence[pl.Series], length: int) -> int | None:
    """The first row on which a column function fails by itself, found by halving; None if there is none."""
    low, high = 0, length
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _fails(function, args, low, middle) else (middle, high)
    return low if length and _fails(function, args, low, high) else None


def _fails(function: PythonFunction, args: Sequence[pl.Series], low: int, high: int) -> bool:
    try:
        function.call(*(a.slice(low, high - low) for a in args))
    except Exception:  # noqa: BLE001 - whatever the user's code raises is a failure
        return True
    return False


def _converted(function: PythonFunction, found: pl.Series) -> pl.Series:
    wanted = function.result.polars
    if found.dtype in (wanted, outer_type(function.result)):
        return found.cast(wanted)
    same_kind = found.dtype == pl.Null or (found.dtype.is_numeric() and wanted.is_numeric())
    same_kind = same_kind or type(found.dtype) is type(wanted)
    if not same_kind or (found.dtype.is_float() and wanted.is_integer()):
        raise _wrong(function, f"a column of type {found.dtype}", f"{function.result}")
    result = found.cast(wanted, strict=False)
    if result.null_count() != found.null_count():
        bad = found.filter(result.is_null() & found.is_not_null())[0]
        raise _wrong(function, f"the value {bad!r}", f"{function.result}")
    return result


def _series(values: Sequence[Any], held: DataType) -> pl.Series:
    """Python values as a column; maps are dicts."""
    return pl.Series(values, dtype=outer_type(held), strict=True).cast(held.polars)


def _misfit(call: PythonCall, args: Sequence[pl.Series], values: Sequence[Any]) -> DataError:
    for i, value in enumerate(values):
        try:
            _series([value], call.function.result)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            text = f"{value!r} of Python type {type(value).__name__}"
            row = tuple(a[i] for a in args)
            return _wrong(call.function, text, str(call.function.result), _sample(call, row))
    return _wrong(call.function, "values that do not fit together", str(call.function.result))


def _wrong(function: PythonFunction, found: str, expected: str, sample: str | None = None) -> DataError:
    return DataError(
        f'the Python function "{function.name}" returned something else than it declares',
        code="data-python-result",
        where=function.place,
        expected=expected,
        found=found[:200],
        sample=sample,
    )


def _raised(call: PythonCall, error: Exception, row: Sequence[Any]) -> DataError:
    sample = _sample(call, row)
    return DataError(
        f'the Python function "{call.function.name}" raised {type(error).__name__}: {str(error)[:200]}',
        code="data-python-function",
        where=_place(error) or call.function.place,
        found=f"{call} with {sample}" if sample else str(call),
        sample=sample,
    )


def _place(error: Exception) -> str | None:
    """Where the user's code raised: the innermost frame below ours."""
    frames = [f for f in extract_tb(error.__traceback__) if f.filename != __file__]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def _sample(call: PythonCall, row: Sequence[Any]) -> str:
    return ", ".join(f"{a} = {v!r}" for a, v in zip(call.args, row, strict=bool(row)))[:200]


def describe(function: Any, result: DataType, *, by: str = "row") -> PythonFunction:  # any callable
    """The node for a Python callable, with its name and the place of its definition."""
    code = getattr(function, "__code__", None)
    place = f"{code.co_filename}:{code.co_firstlineno}" if code else getattr(function, "__module__", None)
    name = getattr(function, "__name__", type(function).__name__)
    return PythonFunction(sys.intern(name), function, result, "row" if by == "row" else "column", place=place)
