"""Name the states that a job keeps as readers know them, and understand which of their keys are meant.

Not here: reading them (runtime/looks.py), what is said about them before a job runs (state_report.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from thalweg.base.types import from_polars
from thalweg.errors import ConfigError, did_you_mean
from thalweg.job.job import Job
from thalweg.protocols.state import COUNTER, WEIGHT, ColumnsSpec, MultimapSpec, RowsSpec, StateSpec

_TRUTH = {"true": True, "false": False}
_SHOWN_MAX = 100


@dataclass(frozen=True)
class KeptState:
    """One state of a job.

    Attributes:
        stage, operator: who keeps it.
        spec: its declaration.
    """

    stage: str
    operator: str
    spec: StateSpec

    @property
    def name(self) -> str:
        """Its name within the step."""
        return self.spec.name

    @property
    def keys(self) -> dict[str, pl.DataType]:
        """The columns by which rows can be asked for, and their types."""
        spec = self.spec
        if isinstance(spec, ColumnsSpec):
            return dict(spec.key)
        assert isinstance(spec, (MultimapSpec, RowsSpec)), "the list of kinds is closed"
        names = spec.key if isinstance(spec, MultimapSpec) else spec.partition
        return {n: spec.columns[n] for n in names}

    @property
    def values(self) -> tuple[str, ...]:
        """The other columns of its rows."""
        spec = self.spec
        if isinstance(spec, ColumnsSpec):
            return tuple(spec.stored(n) for n in spec.columns)
        assert isinstance(spec, (MultimapSpec, RowsSpec)), "the list of kinds is closed"
        own = tuple(n for n in spec.columns if n not in self.keys)
        return (
            (*own, WEIGHT, *(COUNTER + n for n in spec.counters)) if isinstance(spec, MultimapSpec) else own
        )

    def __str__(self) -> str:
        return f"{self.operator} {self.name}"


def states_of(job: Job) -> tuple[KeptState, ...]:
    """The states of all steps, in the order of the job."""
    return tuple(KeptState(s.id, o.id, d) for s in job.stages for o in s.operators for d in o.states())


def chosen(states: Sequence[KeptState], operator: str, state: str | None = None) -> KeptState:
    """The state of a step; its name is needed where the step keeps several.

    Raises:
        ConfigError: `state-unknown`, with those there are.
    """
    found = [s for s in states if s.operator == operator and state in (None, s.name)]
    if len(found) == 1:
        return found[0]
    named = f'"{operator}"' if state is None else f'"{operator}" with the name "{state}"'
    raise ConfigError(
        f"the job keeps {'no' if not found else 'more than one'} state of {named}",
        code="state-unknown",
        choices=[str(s) for s in states],
        hint=did_you_mean(operator, list(dict.fromkeys(s.operator for s in states))) if not found else None,
    )


def key_of(state: KeptState, given: Mapping[str, Any]) -> pl.DataFrame:
    """One key, or values of some of its columns, as a frame with the columns of the state.

    A text stands for a value of any type.

    Raises:
        ConfigError: `state-no-keys`, `state-key-column`, `state-key-value`.
    """
    keys = state.keys
    if not keys:
        raise ConfigError(
            f'the state "{state}" is kept without keys',
            code="state-no-keys",
            hint="without a key all of it is read",
        )
    for name in given:
        if name not in keys:
            raise ConfigError(
                f'"{name}" is no key column of the state "{state}"',
                code="state-key-column",
                choices=list(keys),
                hint=did_you_mean(name, list(keys)),
            )
    # in the order of the state, whatever the order of the question
    return pl.DataFrame([_column(state, n, given[n]) for n in keys if n in given])


def _column(state: KeptState, name: str, value: Any) -> pl.Series:
    dtype = state.keys[name]
    try:
        made = _series(name, value, dtype)
    except (pl.exceptions.PolarsError, ArithmeticError, TypeError, ValueError):
        made = None
    if made is None or made.dtype != dtype:
        raise ConfigError(
            f'the key column "{name}" of the state "{state}" cannot have this value',
            code="state-key-value",
            expected=f"a value of type {from_polars(dtype) or dtype}",
            found=repr(value)[:_SHOWN_MAX],
        )
    return made


def _series(name: str, value: Any, dtype: pl.DataType) -> pl.Series:
    if not isinstance(value, str) or dtype == pl.String():
        if isinstance(value, bool) and dtype != pl.Boolean():
            raise TypeError("Polars would take it for a number")
        if (
            isinstance(dtype, pl.Decimal)
            and value is not None
            and round(Decimal(value), dtype.scale) != value
        ):
            raise ValueError("Polars would round it")
        return pl.Series(name, [value], dtype, strict=True)
    if dtype == pl.Boolean():
        return pl.Series(name, [_TRUTH.get(value.lower(), value)], dtype)
    text = pl.Series(name, [value], pl.String())
    if isinstance(dtype, pl.Datetime):
        return text.str.to_datetime(time_unit="us", time_zone=dtype.time_zone)
    if dtype in (pl.Date(), pl.Time()):
        return text.str.to_date() if dtype == pl.Date() else text.str.to_time()
    return text.str.json_decode(dtype) if dtype.is_nested() else text.cast(dtype, strict=True)
