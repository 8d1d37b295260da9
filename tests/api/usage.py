"""Programs as users write them: what type checkers must accept, and what they must refuse.

Nothing here runs; `test_types.py` hands the file to the type checker. A line that must be refused has an
ignore with the expected code, and an ignore that nothing needs is an error as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

import polars as pl

import thalweg.api as tw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.api.fake import FakeSession
    from thalweg.api import SessionLike


def hot_auctions(bids: tw.Dataset) -> tw.Dataset:
    hot = (
        bids.window(tw.hopping("10s", every="2s"))
        .group_by("auction")
        .agg(num=tw.count())
        .filter(tw.col("num") > 100)
    )
    assert_type(hot, tw.Dataset)
    hot.write_parquet("out/hot")
    hot.write_csv("out/hot", changelog="fold", separator=";", quote=None, has_header=False)
    hot.write_csv("out/hot", separator=";", partition_by=["auction"], success_file="_DONE", part_age="1 min")
    hot.write_json("out/hot", partition_by="auction", partition_time="$auction", commit_delay="1 min")
    hot.write_parquet("out/hot", separator=";")  # type: ignore[call-arg]
    hot.write_csv("out/hot", separtor=";")  # type: ignore[call-arg]
    hot.write_csv("out/hot", separator=3)  # type: ignore[arg-type]
    return hot.rank("place", by=tw.desc("num"), partition=tw.WINDOW).filter(tw.col("place") <= 3)


def expressions() -> None:
    price = tw.col("price")
    assert_type(price, tw.Expression)
    assert_type(price * 2 + 1, tw.Expression)
    assert_type(2 / price, tw.Expression)
    assert_type(price == 3, tw.Expression)
    assert_type(price != None, tw.Expression)  # noqa: E711 - operators of SQL
    assert_type((price > 1) & ~(price < 3), tw.Expression)
    assert_type(price["net"].cast("BIGINT").alias("x"), tw.Expression)
    assert_type(tw.col("labels")["colour"] + tw.col("labels")[price] + tw.col("tags")[0], tw.Expression)
    assert_type(tw.col("url").str.split_index("/", 3), tw.Expression)
    assert_type(tw.when(price > 1).then("many").when(price == 1).then("one").otherwise("none"), tw.Expression)
    assert_type(tw.sum("price").filter(price > 1), tw.AggregateExpression)
    assert_type(price.max() - tw.min(price), tw.Expression)
    assert_type(tw.functions.upper(tw.col("city")), tw.Expression)
    price + object()  # type: ignore[operator]
    price["a"][0].cast(3)  # type: ignore[arg-type]
    for _ in price:  # type: ignore[misc]
        pass


def steps(data: tw.Dataset, other: tw.Dataset) -> None:
    assert_type(data.select("a", tw.col("b") + 1, c="a", d=3).with_columns(e=None), tw.Dataset)
    assert_type(data.group_by("a", b=tw.col("c")).agg(tw.count(), m=tw.avg("d")), tw.Dataset)
    assert_type(data.union(other, other).distinct().limit(3), tw.Dataset)
    assert_type(data.intersect(other).except_(other, copies=True), tw.Dataset)
    assert_type(data.dense_rank(by="a").top(3, by="a", offset=2), tw.Dataset)
    assert_type(data.explode("l").explode("m", keep_empty=True, position="i"), tw.Dataset)
    some = other.agg(tw.max("v")).scalar() + 1
    assert_type(data.filter(other.exists(), tw.col("a").is_in(other) | (tw.col("b") < some)), tw.Dataset)
    assert_type(data.sort(["a", tw.desc("b")]).sort(tw.col("c"), descending=True), tw.Dataset)
    assert_type(data.window(tw.tumbling("1m")).dense_rank(by="a", partition="k"), tw.Dataset)
    assert_type(data.join(other, on="k", how="left").join(other, on=tw.col("a") == tw.col("b")), tw.Dataset)
    latest = data.join_asof(other, tw.col("ts") >= tw.col("since"), by="k", how="inner", tolerance="5s")
    assert_type(latest, tw.Dataset)
    data.join_asof(other, "ts", how="right")  # type: ignore[arg-type]
    assert_type(data.with_columns(p=tw.proctime()).window(tw.tumbling("1m"), on="p"), tw.WindowedDataset)
    data.join(other, on="k", how="outer")  # type: ignore[arg-type]
    assert_type(data.over(tw.count().alias("n"), by=tw.desc("v"), partition=["k"], rows=3), tw.Dataset)
    assert_type(data.over(total=tw.sum("v").filter(tw.col("v") > 1), by="at", within="10s"), tw.Dataset)
    assert_type(data.over(tw.lag("v").alias("n"), by="at", rows=(3, -1)), tw.Dataset)
    assert_type(data.over(tw.ntile(4).alias("n"), tw.percent_rank().alias("p"), by="at"), tw.Dataset)
    assert_type(data.over(tw.lead("v", 2, 0).alias("n"), by="at", within=("10s", None)), tw.Dataset)
    assert_type(data.dense_rank("place", by="v").row_number(by=["v", "w"], partition="k"), tw.Dataset)
    assert_type(data.declare_key("id", tw.col("part")).declare_key("a"), tw.Dataset)
    assert_type(data.assign_watermark("at", delay="4s").window(tw.tumbling("1m")), tw.WindowedDataset)
    assert_type(data.assign_watermark("at", lateness_max="1h"), tw.Dataset)
    assert_type(data.join(other, on="user").late("right"), tw.Dataset)
    assert_type(
        data.map_batches(lambda f: f.head(1), schema={"a": int, "b": "STRING", "c": pl.Int8}), tw.Dataset
    )
    assert_type(data.flat_map(lambda row: [{"a": row["x"]}, (1,)], schema="a BIGINT"), tw.Dataset)
    assert_type(data.top(3, by=["a", tw.asc("b")], partition="c"), tw.Dataset)
    assert_type(data.collect(), pl.DataFrame)
    assert_type(data.count(), int)
    data.window("10s")  # type: ignore[arg-type]
    data.select(["a"])  # type: ignore[arg-type]
    data.group_by("a").agg(n=3)  # type: ignore[arg-type]
    data.write_parquet("p", changelog="all")  # type: ignore[arg-type]
    data.collect(mode="fast")  # type: ignore[arg-type]
    data.plan = other.plan  # type: ignore[misc]
    tw.hopping("10s")  # type: ignore[call-arg]


@tw.udf
def plain(x: int) -> int:
    return x


@tw.udf(returns="DOUBLE", by="column")
def vectors(x: pl.Series) -> pl.Series:
    return x


def functions() -> None:
    assert_type(plain, tw.UserFunction)
    assert_type(vectors(tw.col("x")), tw.Expression)
    assert_type(tw.udf(lambda x: x, returns=float)(tw.col("x")), tw.Expression)
    tw.udf(plain.function.call, by="cell")  # type: ignore[call-overload]


def sessions(session: FakeSession) -> SessionLike:
    return session


def tables(obj: Any) -> pl.DataFrame:
    return tw.to_frame(obj)


class _Best(tw.windowing.WindowFunction):
    told: list[int]
    best: tw.windowing.OfKey[int] = 0
    total: tw.windowing.OfKey[float] = tw.keep(0.0, ttl="1 day")

    def on_window(
        self, window: tw.windowing.Bounds, rows: list[tuple[str, int]]
    ) -> Iterator[tuple[int, float]]:
        assert_type(self.best, int)
        self.best += len(rows)
        self.told.append(self.best)
        if window.end is not None and self.now < window.end:
            self.emit("early", (self.best,))
        yield self.best, self.total


def window_functions(rows: tw.Dataset) -> tw.Dataset:
    windows = rows.key_by("k").window(tw.windowing.Fixed("1h"))
    made = windows.process(_Best(), "best BIGINT, total DOUBLE", sides={"early": "best BIGINT"})
    return made.side("early")
