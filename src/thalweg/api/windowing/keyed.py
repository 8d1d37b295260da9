"""Put the rows of keys into windows that are said in Python: any assigner, trigger, evictor and function.

All of it is a keyed function, so that rows come in the order of event time, and windows are in checkpoints.

Not here: windows of a query, which are faster (grouped.py), what windows there are (assigners.py), how they
are run (functions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from thalweg.api.place import caller, located
from thalweg.api.types import SchemaLike, schema_of
from thalweg.api.windowing.aggregators import Aggregator, Folded, Reduced, check_aggregator
from thalweg.api.windowing.assigners import Assigner, Bounds
from thalweg.api.windowing.calls import WindowCalls
from thalweg.api.windowing.contents import AllRows, By, Contents, WindowCall, aggregated
from thalweg.api.windowing.evictors import Evictor
from thalweg.api.windowing.functions import Results, Settings, window_function
from thalweg.api.windowing.stateful import WindowFunction
from thalweg.api.windowing.triggers import Trigger
from thalweg.api.windowing.wrappers import AtEnd
from thalweg.base.schema import Schema
from thalweg.errors import PlanError, did_you_mean
from thalweg.expr.python_rows import Row
from thalweg.protocols.process import Order

if TYPE_CHECKING:
    from thalweg.api.dataset import Dataset
    from thalweg.api.process import KeyedDataset


@dataclass(frozen=True, eq=False, repr=False)
class KeyedWindows:
    """Rows by a key, in windows; made with `KeyedDataset.window`."""

    _keyed: KeyedDataset
    _assigner: Assigner
    _trigger: Trigger
    _evictor: Evictor | None
    _results: Results

    def __repr__(self) -> str:
        return f"{self._keyed!r} in windows {self._assigner}; process(…) or aggregate(…) follows"

    def process(
        self,
        function: WindowCall | WindowFunction,
        schema: SchemaLike,
        *,
        by: By = "row",
        time: str | None = None,
        sides: Mapping[str, SchemaLike] | None = None,
        order: Order = "time",
    ) -> Dataset:
        """What a function gives for each window when that gives its result.

        Args:
            function: takes the key, the window and its rows in the order of event time; gives rows. Or an
                object of a class of yours that is a `windowing.WindowFunction`: it has state.
            schema: the columns of the rows that it gives.
            by: whether it takes the rows as a list of named tuples (`row`), or as a frame (`column`), and may
                then give a frame.
            time: the column of event time, where it is not the only one.
            sides: the columns of the side outputs of a `WindowFunction`, by their names.
            order: whether rows are taken in the order of event time, or as they arrive.

        Raises:
            PlanError: `plan-window-function`, `plan-state-type`, `plan-side-output`.

        Example:
            >>> import polars as pl
            >>> import thalweg as tw
            >>> rows = tw.Session().from_polars(pl.DataFrame({"k": list("aabab"), "v": [1, 2, 3, 4, 5]}))
            >>> pairs = rows.key_by("k").window(tw.windowing.Counts(2))
            >>> def spread(key, window, rows):
            ...     return rows.group_by("k").agg(spread=pl.col("v").max() - pl.col("v").min())
            >>> found = pairs.process(spread, "k STRING, spread BIGINT", by="column", order="arrival")
            >>> sorted(found.collect().rows())
            [('a', 1), ('b', 2)]
        """
        if by not in get_args(By):
            raise PlanError(
                f'a function takes rows "by" one of two ways, and not by "{by}"',
                code="plan-window-function",
                found=str(by),
                choices=get_args(By),
            )
        place = caller()
        with located(place):
            _check_call(function, sides or {})
            if not isinstance(function, WindowFunction):
                contents = AllRows(self._rows, function, by, self._evictor)
                return self._made(contents, schema_of(schema), time, order)
            calls = WindowCalls(function, place)
            rows = AllRows(self._rows, None, by, self._evictor, calls.name)
            result = schema_of(schema)
            made = window_function(
                Settings(self._assigner, self._trigger, rows, self._results, result, calls)
            )
        return self._keyed.process(made, result, time=time, sides=sides, order=order)

    def aggregate(
        self, aggregator: Aggregator, schema: SchemaLike, *, time: str | None = None, order: Order = "time"
    ) -> Dataset:
        """What an aggregator makes of the rows of each window; the window keeps its value, and not the rows.

        Args:
            aggregator: an object of a class of yours: see `windowing.Aggregator`.
            schema: the columns of the rows that it gives.
            time: the column of event time, where it is not the only one.
            order: whether rows are taken in the order of event time, or as they arrive.
        """
        check_aggregator(aggregator)
        return self._aggregated(aggregator, type(aggregator).__name__, schema_of(schema), time, order)

    def reduce(
        self, function: Callable[[Any, Any], Any], *, time: str | None = None, order: Order = "time"
    ) -> Dataset:
        """One row for each window, of the same columns: what a function makes of its rows, two at a time.

        Args:
            function: takes what it has made so far and the next row, named tuples; gives a row. Sessions that
                become one are reduced too, so that it must not matter which two come first.
            time: the column of event time, where it is not the only one.
            order: whether rows are taken in the order of event time, or as they arrive.
        """
        name = getattr(function, "__name__", type(function).__name__)
        return self._aggregated(Reduced(function, self._rows), name, self._rows, time, order)

    def fold(
        self,
        begin: Row | Callable[[Any, Bounds], Row],
        function: Callable[[Any, Any], Row],
        schema: SchemaLike,
        *,
        time: str | None = None,
        order: Order = "time",
    ) -> Dataset:
        """One row for each window, which changes with every row that comes.

        Args:
            begin: the row of a window without rows; or what makes it of the key and the window.
            function: takes the row so far, a named tuple, and the next row of the window; gives a row.
            schema: the columns of the row.
            time: the column of event time, where it is not the only one.
            order: whether rows are taken in the order of event time, or as they arrive.

        Example:
            >>> import polars as pl
            >>> import thalweg as tw
            >>> rows = tw.Session().from_polars(pl.DataFrame({"k": list("aabab"), "v": [1, 2, 3, 4, 5]}))
            >>> pairs = rows.key_by("k").window(tw.windowing.Counts(2))
            >>> def longer(so_far, row):
            ...     return so_far.k, so_far.text + str(row.v)
            >>> def begin(key, window):
            ...     return key.k, ""
            >>> texts = pairs.fold(begin, longer, "k STRING, text STRING", order="arrival")
            >>> sorted(texts.collect().rows())
            [('a', '12'), ('b', '35')]
        """
        result = schema_of(schema)
        name = getattr(function, "__name__", type(function).__name__)
        return self._aggregated(Folded(begin, function, result), name, result, time, order)

    @property
    def _rows(self) -> Schema:
        return self._keyed._rows.schema

    def _aggregated(
        self, aggregator: Aggregator, name: str, result: Schema, time: str | None, order: Order
    ) -> Dataset:
        merges = self._assigner.merges
        contents = aggregated(aggregator, self._rows, name, merges=merges, evictor=self._evictor)
        return self._made(contents, result, time, order)

    def _made(self, contents: Contents, result: Schema, time: str | None, order: Order) -> Dataset:
        made = window_function(Settings(self._assigner, self._trigger, contents, self._results, result))
        return self._keyed.process(made, result, time=time, order=order)


def _check_call(function: object, sides: Mapping[str, SchemaLike]) -> None:
    """Refuse what is no function of whole windows, or has nothing to give rows to side outputs with."""
    if isinstance(function, WindowFunction):
        return
    if isinstance(function, type) or not callable(function):
        raise PlanError(
            "a function of windows is a function of the key, the window and its rows, "
            "or an object of a class that is a WindowFunction",
            code="plan-window-function",
            found=repr(function)[:200],
            hint=f"{function.__name__}() makes one" if isinstance(function, type) else None,
        )
    if sides:
        raise PlanError(
            "a plain function of windows has no side outputs",
            code="plan-side-output",
            found=", ".join(sides),
            hint="a class that is a windowing.WindowFunction has emit",
        )


def keyed_windows(
    keyed: KeyedDataset,
    assigner: Assigner,
    trigger: Trigger | None,
    evictor: Evictor | None,
    results: Results,
) -> KeyedWindows:
    """The rows of keys in windows.

    Raises:
        PlanError: `plan-window`, `plan-window-assigner`, `plan-window-trigger`, `plan-window-evictor`.
    """
    if results not in get_args(Results):
        raise PlanError(
            f'windows have no results that are "{results}"',
            code="plan-window",
            choices=get_args(Results),
            hint=did_you_mean(str(results), get_args(Results)),
        )
    _check(assigner, "assigner", ("assign",), ("merges",))
    trigger = trigger or getattr(assigner, "trigger", None) or AtEnd()
    evictor = evictor or getattr(assigner, "evictor", None)
    _check(trigger, "trigger", ("on_row", "on_time"))
    if evictor is not None:
        _check(evictor, "evictor", ("keep",))
    return KeyedWindows(keyed, assigner, trigger, evictor, results)


def _check(given: object, what: str, methods: tuple[str, ...], others: tuple[str, ...] = ()) -> None:
    """Refuse what is none."""
    missing = [m for m in methods if not callable(getattr(given, m, None))]
    missing += [n for n in others if not hasattr(given, n)]
    if missing or isinstance(given, type):
        raise PlanError(
            f"this is no {what} of windows",
            code=f"plan-window-{what}",
            expected=f"an object with {', '.join((*methods, *others))}",
            found=f"{given!r}"[:200]
            + (f", without {', '.join(missing)}" if missing else ", which is a class"),
            hint=f"{given.__name__}(…) makes one" if isinstance(given, type) and not missing else None,
        )
