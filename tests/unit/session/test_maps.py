"""Maps come in as maps and go out as maps; in between they are lists of entries, which nobody sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

import thalweg as tw
from thalweg.connectors.iterators import from_iter
from thalweg.errors import DataError

ROWS: list[Any] = [{"a": 1, "b": 2}, None, {}]
TABLE = pa.table(
    {
        "id": [1, 2, 3],
        "m": pa.array(
            [None if r is None else list(r.items()) for r in ROWS], pa.map_(pa.string(), pa.int64())
        ),
        "n": pa.array(
            [[{"k": [(1, b"x")]}], [], None], pa.list_(pa.struct([("k", pa.map_(pa.int32(), pa.binary()))]))
        ),
    }
)
TYPES = "id BIGINT, m MAP<STRING, BIGINT>, n ARRAY<ROW<k MAP<INT, BYTES>>>"


@pytest.fixture(params=["batch", "streaming"])
def session(request: pytest.FixtureRequest) -> tw.Session:
    return tw.Session(parallelism=2, options={"execution.runtime-mode": request.param})


def maps(data: tw.Dataset) -> list[Any]:
    return data.collect().sort("id")["m"].to_list()


def test_tables_in_and_out(session: tw.Session) -> None:
    data = session.from_arrow(TABLE)
    assert str(data.schema) == TYPES
    assert maps(data) == ROWS
    assert pa.types.is_map(data.to_arrow().schema.field("m").type)
    assert data.to_arrow().sort_by("id").column("m").to_pylist() == TABLE.column("m").to_pylist()
    assert session.from_polars(data.to_polars()).schema == data.schema
    assert pl.DataFrame(data).schema == pl.DataFrame(TABLE).schema
    assert data.peek().schema == data.head().schema == pl.DataFrame(TABLE).schema


@pytest.mark.parametrize("form", ["parquet", "ipc"])
def test_files_in_and_out(form: str, session: tw.Session, tmp_path: Path) -> None:
    written = tmp_path / "theirs"
    if form == "parquet":
        pyarrow.parquet.write_table(TABLE, written)
    else:
        with pa.ipc.new_file(str(written), TABLE.schema) as file:
            file.write_table(TABLE)
    read = getattr(session, f"read_{form}")
    theirs = read(str(written))
    assert str(theirs.schema) == TYPES
    getattr(theirs, f"write_{form}")(tmp_path / "ours")
    session.run()
    assert read(str(tmp_path / "ours")).collect().sort("id").equals(pl.DataFrame(TABLE))


def test_json(session: tw.Session, tmp_path: Path) -> None:
    session.from_arrow(TABLE.slice(0, 1)).write_json(tmp_path)
    session.run()
    (file,) = tmp_path.iterdir()
    assert file.read_text() == '{"id":1,"m":{"a":1,"b":2},"n":[{"k":{"1":"eA=="}}]}\n'
    session.execute_sql(
        "CREATE TABLE t (id BIGINT, m MAP<STRING, BIGINT>, n ARRAY<ROW<k MAP<INT, BYTES>>>) "
        f"WITH ('connector' = 'filesystem', 'path' = '{tmp_path}', 'format' = 'json')"
    )
    assert session.sql("SELECT * FROM t").collect().equals(pl.DataFrame(TABLE.slice(0, 1)))
    assert session.sql("SELECT m['b'] AS b FROM t").collect().rows() == [(2,)]


def test_callbacks_and_python_functions(session: tw.Session) -> None:
    data, seen = session.from_arrow(TABLE.slice(0, 1)), []
    data.write_callback(lambda frame: seen.extend(frame["m"].to_list()))
    session.run()
    assert seen == ROWS[:1]
    keys = tw.udf(lambda m: sorted(m), returns="ARRAY<STRING>")
    assert data.select(k=keys(tw.col("m"))).collect()["k"].to_list() == [["a", "b"]]
    one = tw.udf(lambda id: {"id": id}, returns="MAP<STRING, BIGINT>")
    assert data.select("id", m=one(tw.col("id"))).collect()["m"].to_list() == [{"id": 1}]
    same = tw.udf(lambda column: column, returns="MAP<STRING, BIGINT>", by="column")
    assert maps(data.select("id", m=same(tw.col("m")))) == ROWS[:1]
    assert maps(data.map_batches(lambda f: f.filter(pl.col("m").is_not_null()))) == ROWS[:1]
    each = data.flat_map(
        lambda row: [{"id": 1, "m": {k: v}} for k, v in row["m"].items()],
        schema={"id": "BIGINT", "m": "MAP<STRING, BIGINT>"},
    )
    assert sorted(maps(each), key=str) == [{"a": 1}, {"b": 2}]


def test_rows_of_an_iterator(session: tw.Session) -> None:
    schema = session.from_arrow(TABLE.select(["id", "m"])).schema
    for row in ({"id": 1, "m": {"a": 1}}, (1, {"a": 1}), {"id": 1, "m": [{"key": "a", "value": 1}]}):
        assert maps(session.from_source(from_iter([row], schema))) == [{"a": 1}]


def test_a_map_outside_has_no_null_key(session: tw.Session) -> None:
    with pytest.raises(DataError) as caught:
        session.sql("SELECT MAP[CAST(NULL AS STRING), 1] AS m").collect()
    assert caught.value.code == "data-null-key"
