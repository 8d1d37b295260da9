"""Lay out the parts that the aggregates of a grouping are made from: what is stored, added up and shown.

Not here: keys and windows (aggregation.py), what a part does (parts.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from thalweg.base.types import DataType
from thalweg.columnar.accumulate import add_counts
from thalweg.columnar.arrow import to_frame
from thalweg.columnar.batch import OFFSET, SPLIT, Batch
from thalweg.columnar.buffers import NO_FLAGS, values_and_validity
from thalweg.columnar.cells import Cells, take
from thalweg.columnar.eager import compute, renamed
from thalweg.columnar.merge_cells import ADD, WIDTHS
from thalweg.errors import DataError
from thalweg.expr import aggregates
from thalweg.expr.nodes import Aggregate, Column
from thalweg.operators.accumulators import Accumulators, cells_of
from thalweg.operators.extremes import Ordered
from thalweg.operators.multiset import Kept
from thalweg.operators.ordered_parts import PlacedPart
from thalweg.operators.parts import (
    NO_WEIGHTS,
    ROWS,
    CountedPart,
    Part,
    SumPart,
    TextExtremePart,
    make_part,
)
from thalweg.protocols.state import Columns, ColumnSpec

if TYPE_CHECKING:
    from thalweg.operators.aggregation import GroupingSpec

Array = np.ndarray[Any, Any]


class Layout:
    """The parts of a grouping: equal parts of several aggregates are kept once."""

    def __init__(self, spec: GroupingSpec) -> None:
        self._spec = spec
        self.parts: dict[tuple[str, str | None], Part] = {}
        self._lists: dict[tuple[str, bool], list[str]] = {}
        self._ends: dict[str, list[str]] = {}
        for _, call in spec.calls:
            for kind in aggregates.of_call(call).parts:
                self._need(kind, _argument(call))
        for kind, argument in self.parts:
            of_sum = self.parts.get(("sum", argument)) or self.parts.get(("squares", argument))
            if kind == "count" and of_sum is not None:
                counted = CountedPart(self.parts[kind, argument].prefix, f"{of_sum.prefix}n")
                self.parts[kind, argument] = counted

    def _need(self, kind: str, argument: str | None) -> None:
        held = None if argument is None else self._spec.argument_types[argument]
        keeps = {"list": True, "set": True, "min": self._spec.is_updating, "max": self._spec.is_updating}
        keeps |= dict.fromkeys(("first", "last"), self._spec.keeps_places)
        if keeps.get(kind, False):
            assert argument is not None, "what keeps values has an argument"
            if kind in ("min", "max"):
                kinds = self._ends.setdefault(argument, [])
            else:
                kinds = self._lists.setdefault((argument, kind != "set" and self._spec.is_placed), [])
            kinds += [kind] if kind not in kinds else []
        elif (kind, argument) not in self.parts:
            self.parts[kind, argument] = make_part(kind, held, f"p{len(self.parts)}.")

    @cached_property
    def kept(self) -> tuple[Kept | Ordered, ...]:
        """Arguments of lists, and of extremes over an updating input: their values are kept."""
        types = self._spec.argument_types
        lists = (Kept(n, types[n], tuple(kinds), placed) for (n, placed), kinds in self._lists.items())
        return *lists, *(Ordered(n, types[n], tuple(kinds)) for n, kinds in self._ends.items())

    @cached_property
    def columns(self) -> dict[str, ColumnSpec]:
        """The columns of all parts."""
        return {n: c for part in self.parts.values() for n, c in part.columns.items()}

    @cached_property
    def stored(self) -> dict[str, ColumnSpec]:
        """The number of rows, and the columns of all parts."""
        return {ROWS: ColumnSpec("int64")} | self.columns

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """The columns that a result is made from."""
        # the number of rows comes first: where it is shown and only grows, nothing else need be compared
        hidden = {n for p in self.parts.values() if isinstance(p, PlacedPart) for n in p.hidden}
        first = (ROWS,) if ("count", None) in self.parts else ()
        return (*first, *(n for n in self.columns if n not in hidden))

    @property
    def can_merge(self) -> bool:
        """Whether all parts can be made in one place and added up in another."""
        return all(p.can_merge for p in self.parts.values()) and not self.kept

    @cached_property
    def rules(self) -> Array | None:
        """How the stored columns are added up in one call; None if some cannot be, or not exactly."""
        found, at = [(ADD, 0, 0)], 1
        for part in self.parts.values():
            if part.rules is None:
                return None
            for rule, known in part.rules:
                found.append((rule, at, known))
                at += WIDTHS[rule]
        return None if self.kept else np.array(found, np.int64)

    def update(self, state: Columns, slots: Array, batch: Batch) -> None:
        """Take rows."""
        weights = NO_WEIGHTS if batch.weight is None else weight_array(batch.weight)
        _add_rows(state, slots, weights)
        for argument, part in self._from_rows:
            values = None if argument is None else batch.frame.get_column(argument)
            if isinstance(part, PlacedPart):
                assert values is not None, "a value has an argument"
                part.update_placed(state, slots, values, places(batch.frame))
            else:
                part.update(state, slots, values, weights)

    @cached_property
    def _from_rows(self) -> list[tuple[str | None, Part]]:
        return [(a, part) for (_, a), part in self.parts.items() if a not in self._spec.fed]

    @cached_property
    def count_columns(self) -> list[str]:
        """Where all aggregates are counts: the column of each."""
        found = [self.parts["count", _argument(call)] for _, call in self._spec.calls]
        return [p.column if isinstance(p, CountedPart) else next(iter(p.columns)) for p in found]

    def closed(self, state: Columns, slots: Array, watermark: int) -> Array:
        """Those groups that get no more rows."""
        assert self._spec.closes is not None, "asked for where groups close"
        argument, slack = self._spec.closes
        times, seen = (state.column(name)[slots] for name in self.parts["max", argument].columns)
        found: Array = slots[(seen != 0) & (times + slack < watermark)]
        return found

    def merge(self, state: Columns, slots: Array, made: Mapping[str, Any]) -> None:
        """Take what was added up elsewhere."""
        _add_rows(state, slots, made[ROWS])
        for part in self.parts.values():
            part.merge(state, slots, made)

    def merge_sent(self, state: Columns, slots: Array, made: Mapping[str, Any]) -> None:
        """Take what was added up in another task; a part that cannot be is not among it."""
        _add_rows(state, slots, made[ROWS])
        for part in self.parts.values():
            if part.can_merge:
                part.merge(state, slots, made)

    def carried(self, state: Columns, found: Mapping[str, Array]) -> dict[str, Any]:
        """What `take` gave, as another table of this process can merge it."""
        texts = [p for p in self.parts.values() if isinstance(p, (TextExtremePart, PlacedPart))]
        return {**found, **{n: s for part in texts for n, s in part.carried(found, state).items()}}

    @cached_property
    def cells(self) -> Cells:
        """How the stored columns lie."""
        return cells_of(self.stored)

    def accumulators(self, groups: int, *, above: int = 0) -> Accumulators:
        """Empty groups, below rows for something else."""
        return Accumulators(self.cells, groups, above=above, coded=self._coded)

    @cached_property
    def _coded(self) -> tuple[str, ...]:
        return tuple(n for n, c in self.stored.items() if c.kind == "bytes")

    def take(self, state: Columns, slots: Array) -> dict[str, Array]:
        """The columns of all parts, and the number of rows, at some slots."""
        return self.cells.named(take(state.addresses[: len(self.stored)], slots))

    @cached_property
    def shown_places(self) -> tuple[int, ...]:
        """The places of the `shown` columns among the stored."""
        return tuple(list(self.stored).index(n) for n in self.shown)

    def outputs(
        self,
        state: Columns,
        found: Mapping[str, Array],
        extremes: Mapping[tuple[str, str], pl.Series] | None = None,
    ) -> pl.DataFrame:
        """The aggregates' values from columns that were taken."""
        if not self._spec.calls:
            return pl.DataFrame(height=len(found[ROWS]))
        made = self._sums_within_words(found)
        is_quick = len(made) == len(self._sums)
        parts, computed = self._beside_sums if is_quick else (self._named_parts, self._computed)
        made = (made if is_quick else {}) | {name: part.value(found, state) for name, part in parts}
        for (kind, argument), series in (extremes or {}).items():
            made[f"{kind} {argument}"] = series
        if computed:
            frame = to_frame([renamed(s, n) for n, s in made.items()])
            try:
                made |= {s.name: s for s in compute(frame, computed).get_columns()}
            except pl.exceptions.InvalidOperationError as error:
                raise self._overflow() from error
        return to_frame([renamed(made[source], name) for name, source in self._sources])

    def _sums_within_words(self, found: Mapping[str, Array]) -> dict[str, pl.Series]:
        """The sums that are results as they are, so that nothing need be computed; those that fit only."""
        made = {name: part.within_words(found) for name, part in self._sums.items()}
        return {name: series for name, series in made.items() if series is not None}

    @cached_property
    def _sums(self) -> dict[str, SumPart]:
        """Sums of integers whose result has 64 bits, by the name of what is computed."""
        calls = {f"= {n}": c for n, c in self._spec.calls if c.function == "sum" and not c.distinct}
        parts = {n: self.parts.get(("sum", _argument(c))) for n, c in calls.items()}
        wide = {n for n, c in calls.items() if self._result(c).polars != pl.Int64()}
        return {n: p for n, p in parts.items() if isinstance(p, SumPart) and n not in wide}

    @cached_property
    def _beside_sums(self) -> tuple[list[tuple[str, Part]], list[pl.Expr]]:
        """The parts and expressions of all aggregates but those."""
        exprs = [e for e in self._computed if e.meta.output_name() not in self._sums]
        used = {n for e in exprs for n in e.meta.root_names()} | {n for _, n in self._sources}
        return [(n, p) for n, p in self._named_parts if n in used], exprs

    @cached_property
    def _named_parts(self) -> list[tuple[str, Part]]:
        return [(f"{kind} {argument}", part) for (kind, argument), part in self.parts.items()]

    @cached_property
    def _computed(self) -> list[pl.Expr]:
        """The aggregates that are more than the value of one part, each under a name that no part has."""
        return [self._finish(name, call) for name, call in self._spec.calls if name not in self._plain]

    @cached_property
    def _sources(self) -> list[tuple[str, str]]:
        """For each output its name, and that of the part or the computed column that it is."""
        return [(name, self._plain.get(name, f"= {name}")) for name, _ in self._spec.calls]

    @cached_property
    def _plain(self) -> dict[str, str]:
        """Aggregates whose value is that of their one part, and the part."""
        found = {}
        for name, call in self._spec.calls:
            entry = aggregates.of_call(call)
            if entry.is_plain:
                found[name] = f"{entry.parts[0]} {_argument(call)}"
        return found

    def _finish(self, name: str, call: Aggregate) -> pl.Expr:
        entry = aggregates.of_call(call)
        columns = {kind: pl.col(f"{kind} {_argument(call)}") for kind in entry.parts}
        return entry.finish(columns, self._result(call)).alias(f"= {name}")

    def _result(self, call: Aggregate) -> DataType:
        argument = _argument(call)
        types = [] if argument is None else [self._spec.argument_types[argument]]
        signature = aggregates.of_call(call).infer(types)
        assert signature is not None, "the plan was resolved"
        return signature.result

    def _overflow(self) -> DataError:
        return aggregates.overflow([(call, self._result(call)) for _, call in self._spec.calls])


def weight_array(weight: pl.Series) -> Array:
    """Weights as kernels take them."""
    return values_and_validity(weight)[0]


def places(frame: pl.DataFrame) -> tuple[Array, Array]:
    """The split and offset of each row."""
    split, offset = (values_and_validity(frame.get_column(n))[0] for n in (SPLIT, OFFSET))
    return split, offset


def _add_rows(state: Columns, slots: Array, weights: Array) -> None:
    add_counts(slots, NO_FLAGS, weights, state.column(ROWS))


def _argument(call: Aggregate) -> str | None:
    if not call.args:
        return None
    column = call.args[0]
    assert isinstance(column, Column), "arguments are computed before the grouping"
    return column.name
