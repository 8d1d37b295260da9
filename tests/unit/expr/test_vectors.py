"""Every edge vector of every scalar function, computed in every way that the engine computes.

Proves that eager, lazy and streaming evaluation give what the registry says, one row at a time and
all rows together, from columns and from constants; and that failing rows raise.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.base.types import STRING, DataType, Field, Struct, Timestamp
from thalweg.errors import DataError
from thalweg.expr import infer, registry
from thalweg.expr.evaluate import Projection
from thalweg.expr.few import few_rows
from thalweg.expr.nodes import Call, Column, Expr, Literal, Named
from thalweg.expr.python import unwrapped
from thalweg.expr.registry import FAILS, Function, Vector

FUNCTIONS = registry.all_functions()
IDS = [f.name for f in FUNCTIONS]


def same(found: Any, expected: Any) -> bool:
    """Equality that tells -0.0 from 0.0 and holds NaN equal to itself, with a tolerance for roots."""
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float) and isinstance(found, float):
        if math.isnan(expected) or math.isnan(found):
            return math.isnan(expected) and math.isnan(found)
        close = math.isclose(found, expected, rel_tol=1e-14) or found == expected
        return close and math.copysign(1, found) == math.copysign(1, expected)
    return type(found) is type(expected) and found == expected


def columns_of(vector: Vector) -> dict[str, pl.Series]:
    return {
        f"c{i}": pl.Series([value], dtype=held.polars)
        for i, (value, held) in enumerate(zip(vector.args, vector.types, strict=True))
    }


def call_of(function: Function, vector: Vector) -> Expr:
    """The call over columns; arguments that must be constants are literals."""
    args = [
        literal(value, held) if i in function.constants else Column(f"c{i}")
        for i, (value, held) in enumerate(zip(vector.args, vector.types, strict=True))
    ]
    return Call(function.name, tuple(args))


def literal(value: Any, held: DataType) -> Expr:
    return Literal(tuple(value) if isinstance(value, list) else value, held)


def schema_of(vector: Vector) -> Schema:
    return Schema.of({f"c{i}": t for i, t in enumerate(vector.types)} or {"c0": registry_default()})


def registry_default() -> DataType:
    return Timestamp()


def projection(function: Function, vector: Vector, call: Expr | None = None) -> Projection:
    return Projection([Named("out", call or call_of(function, vector))], schema_of(vector))


def frame_of(vector: Vector) -> pl.DataFrame:
    columns = columns_of(vector)
    return pl.DataFrame(columns or {"c0": pl.Series([None], dtype=registry_default().polars)})


def eagerly(plan: Projection, frame: pl.DataFrame) -> list[Any]:
    found = plan.apply(frame)
    assert dict(found.schema) == dict(plan.schema.polars), "the values have the type that was inferred"
    return found["out"].to_list()


def as_one_query(plan: Projection, frame: pl.DataFrame) -> list[Any]:
    """As for many rows: the way by columns, which a few rows take where it is known, is not tried."""
    plan._few = []
    return eagerly(plan, frame)


def streaming(plan: Projection, frame: pl.DataFrame) -> list[Any]:
    with unwrapped():
        found = plan.lazy(frame.lazy()).collect(engine="streaming")
    assert dict(found.schema) == dict(plan.schema.polars), "the values have the type that was inferred"
    return found["out"].to_list()


def in_memory(plan: Projection, frame: pl.DataFrame) -> list[Any]:
    with unwrapped():
        return plan.lazy(frame.lazy()).collect()["out"].to_list()


ENGINES = {"eager": eagerly, "query": as_one_query, "lazy": in_memory, "streaming": streaming}


@pytest.mark.parametrize("function", FUNCTIONS, ids=IDS)
def test_every_function_has_vectors_with_and_without_null(function: Function) -> None:
    if function.vectors and not function.vectors[0].args:
        return
    with_null = [v for v in function.vectors if None in v.args]
    assert with_null, f"{function.name} says nothing about NULL"
    assert len(function.vectors) >= 3
    if function.strict:
        assert all(v.expected is None for v in with_null), "a strict function gives NULL for NULL"


@pytest.mark.parametrize("function", FUNCTIONS, ids=IDS)
def test_one_row_at_a_time(function: Function) -> None:
    for vector in function.vectors:
        plan, frame = projection(function, vector), frame_of(vector)
        if vector.expected is FAILS:
            with pytest.raises(DataError) as caught:
                eagerly(plan, frame)
            assert caught.value.offset == 0
            continue
        found = eagerly(plan, frame)
        assert len(found) == 1
        assert same(found[0], vector.expected), f"{vector.args} gave {found[0]!r}, not {vector.expected!r}"


@pytest.mark.parametrize("function", FUNCTIONS, ids=IDS)
def test_constants_give_the_same(function: Function) -> None:
    for vector in function.vectors:
        if any(
            isinstance(v, (list, dict)) or isinstance(t, Struct)
            for t, v in zip(vector.types, vector.args, strict=True)
        ):
            continue
        args = tuple(map(literal, vector.args, vector.types))
        plan = projection(function, vector, Call(function.name, args))
        frame = pl.concat([frame_of(vector)] * 3)
        if vector.expected is FAILS:
            with pytest.raises(DataError):
                eagerly(plan, frame)
            continue
        for engine in (eagerly, streaming):
            found = engine(plan, frame)
            assert len(found) == 3
            assert same(found, [vector.expected] * 3), (
                f"{vector.args} gave {found!r}, not {vector.expected!r}"
            )


@pytest.mark.parametrize("function", FUNCTIONS, ids=IDS)
def test_one_argument_constant_at_a_time(function: Function) -> None:
    for vector in function.vectors:
        if vector.expected is FAILS or len(vector.args) < 2:
            continue
        # equal rows put together are what Polars may hold as one repeated value; -1: none is constant
        for fixed in range(-1, len(vector.args)):
            if isinstance(vector.args[fixed], (list, dict)):
                continue
            args = list(call_of(function, vector).children)
            if fixed >= 0:
                args[fixed] = literal(vector.args[fixed], vector.types[fixed])
            plan = projection(function, vector, Call(function.name, tuple(args)))
            found = eagerly(plan, pl.concat([frame_of(vector)] * 2))
            assert same(found, [vector.expected] * 2), f"{vector.args} with {fixed} constant gave {found!r}"


def groups_of(function: Function) -> list[list[Vector]]:
    """The vectors that one call over one frame can compute: of equal types and constants."""
    groups: dict[Any, list[Vector]] = defaultdict(list)
    for vector in function.vectors:
        fixed = tuple(vector.args[i] for i in function.constants if i < len(vector.args))
        groups[(vector.types, repr(fixed))].append(vector)
    return list(groups.values())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("function", FUNCTIONS, ids=IDS)
def test_all_rows_together(function: Function, engine: str) -> None:
    for group in groups_of(function):
        good = [v for v in group if v.expected is not FAILS]
        if not good or not good[0].args:
            continue
        plan, frame = projection(function, group[0]), pl.concat(map(frame_of, good))
        found = ENGINES[engine](plan, frame)
        for vector, value in zip(good, found, strict=True):
            assert same(value, vector.expected), f"{vector.args} gave {value!r}, not {vector.expected!r}"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f.failures], ids=lambda f: f.name)
def test_a_failing_row_raises_among_others(function: Function, engine: str) -> None:
    for group in groups_of(function):
        bad = [v for v in group if v.expected is FAILS]
        good = [v for v in group if v.expected is not FAILS]
        if not bad or not good:
            continue
        plan = projection(function, group[0])
        frame = pl.concat([*map(frame_of, good), frame_of(bad[0])])
        with pytest.raises(DataError) as caught:
            ENGINES[engine](plan, frame)
        assert caught.value.code in {f.code for f in function.failures}
        assert caught.value.offset == (len(good) if engine in ("eager", "query") else None)


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f.few], ids=lambda f: f.name)
def test_what_few_rows_are_computed_by_is_used(function: Function) -> None:
    """A second way that always declines would be held to nothing."""
    used = 0
    for vector in function.vectors:
        schema = schema_of(vector)
        by_columns = few_rows(infer.resolve(call_of(function, vector), schema)[0], schema)
        found = None if by_columns is None else by_columns(frame_of(vector))
        if found is not None:
            used += 1
            value = found.to_list()[0]
            assert vector.expected is not FAILS, f"{vector.args} gave {value!r} without a check"
            assert same(value, vector.expected), f"{vector.args} gave {value!r}, not {vector.expected!r}"
    assert used, f"no vector of {function.name} was computed by columns"


@pytest.mark.parametrize("function", FUNCTIONS, ids=IDS)
def test_typing_is_stable(function: Function) -> None:
    for vector in function.vectors:
        schema = schema_of(vector)
        once, held = infer.resolve(call_of(function, vector), schema)
        twice, again = infer.resolve(once, schema)
        assert (twice, again) == (once, held), "a resolved call resolves to itself"


@pytest.mark.parametrize("function", FUNCTIONS, ids=IDS)
def test_no_rows_give_no_rows(function: Function) -> None:
    for group in groups_of(function):
        if group[0].args:
            plan = projection(function, group[0])
            assert eagerly(plan, frame_of(group[0]).clear()) == []
            assert streaming(plan, frame_of(group[0]).clear()) == []


def test_the_names_of_a_struct_are_kept() -> None:
    pair = Struct((Field("x", Timestamp()),))
    plan = Projection(
        [Named("out", Call("field", (Column("p"), literal("x", STRING))))], Schema.of({"p": pair})
    )
    assert plan.schema.names == ("out",)
