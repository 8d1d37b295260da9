"""Python functions become functions of expressions, with the types that they are annotated with."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import polars as pl
import pytest

import thalweg.api as tw
from tests.unit.api.fake import FakeSession, dataset
from thalweg.errors import ThalwegError

ROWS = pl.DataFrame({"price": [100, 250, None], "city": ["Riga", None, "Oslo"]})


@tw.udf
def greeting(city: str | None) -> str | None:
    """Greet a city."""
    return None if city is None else f"Hello {city}"


@tw.udf(returns="DOUBLE", by="column", name="net", volatile=True)
def without_tax(price: pl.Series) -> pl.Series:
    return price * 0.5


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_functions_of_rows_and_columns(mode: str) -> None:
    made = dataset(ROWS, FakeSession(mode)).select(
        greeting(tw.col("city")).alias("text"), n=without_tax(tw.col("price"))
    )
    assert str(made.schema) == "text STRING, n DOUBLE"
    assert set(made.collect().rows()) == {("Hello Riga", 50.0), (None, 125.0), ("Hello Oslo", None)}


def test_what_a_function_says_of_itself() -> None:
    assert greeting.__name__ == "greeting"
    assert greeting.__doc__ == "Greet a city."
    assert repr(without_tax) == "<column function net -> DOUBLE>"
    assert without_tax.function.volatile
    assert str(greeting.function.place).startswith(f"{__file__}:")
    assert repr(without_tax(tw.col("price"))) == "net(price)"


@pytest.mark.parametrize(
    ("annotation", "held"),
    [
        (int, "BIGINT"),
        (float, "DOUBLE"),
        (bool, "BOOLEAN"),
        (bytes, "BYTES"),
        (decimal.Decimal, "DECIMAL(38, 18)"),
        (datetime.date, "DATE"),
        (datetime.datetime, "TIMESTAMP(3)"),
        (list[str] | None, "ARRAY<STRING>"),
    ],
)
def test_annotations_give_types(annotation: Any, held: str) -> None:
    def function(x: int) -> Any:
        return x

    function.__annotations__["return"] = annotation
    assert str(tw.udf(function).function.result) == held


def _unknown(x: Any) -> Nowhere:  # type: ignore[name-defined]  # noqa: F821 - the name is missing on purpose
    return x


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: tw.udf(lambda x: x), "plan-function-type"),
        (lambda: tw.udf(_unknown), "plan-function-type"),
        (lambda: tw.udf(greeting.function.call, by="column"), "plan-function-type"),
        (lambda: tw.udf(lambda x: x, returns="BIGNIT"), "plan-unknown-type"),
        (lambda: greeting("city"), "plan-text-argument"),
        (lambda: greeting(object()), "expr-no-literal"),  # type: ignore[arg-type]
    ],
)
def test_mistakes(make: Any, code: str) -> None:
    with pytest.raises(ThalwegError) as caught:
        make()
    assert caught.value.code == code
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_a_function_that_raises_names_its_line() -> None:
    with pytest.raises(ThalwegError) as caught:
        dataset(ROWS).select(x=tw.udf(lambda p: p / 0, returns=float)(tw.col("price"))).collect()
    assert caught.value.code == "data-python-function"
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_a_call_with_too_many_arguments_is_refused_where_it_stands() -> None:
    with pytest.raises(ThalwegError) as caught:
        dataset(ROWS).select(greeting(tw.col("city"), tw.col("price")))
    assert caught.value.code == "expr-python-arguments"
    assert caught.value.found == "greeting(city, price) with 2 arguments"
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_defaults_and_any_number_of_arguments_are_taken() -> None:
    rest = tw.udf(lambda first, second=2, *more: first, returns="BIGINT", name="rest")
    for count in (1, 2, 4):
        dataset(ROWS).select(x=rest(*[tw.col("price")] * count))
