"""Results that are objects appear once, whoever stood still, was broken off or lost an answer on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from tests.objects.server import BUCKET, Answer, ObjectServer
from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.connectors.files.sink import FileSink
from thalweg.errors import CheckpointError, ConnectorError
from thalweg.protocols.sink import Epoch

OUT = f"s3://{BUCKET}/out"
ROWS = pl.DataFrame({"n": range(9)})
SCHEMA = Schema.from_polars(dict(ROWS.schema))
EPOCH = Epoch("job", "write1", lineage=1, number=1, fence=1)
NEWER = replace(EPOCH, number=1, fence=2)


def staged(sink: FileSink, epoch: Epoch, rows: pl.DataFrame = ROWS) -> list[Any]:
    writer = sink.open_staging(SCHEMA, 0, epoch)
    writer.write(Batch(rows))
    parts: list[Any] = writer.stage()
    return parts


def parts(server: ObjectServer) -> list[str]:
    return [key for key in server.held() if key.endswith(".parquet")]


def hidden(server: ObjectServer) -> list[str]:
    return [key for key in server.held() if key.endswith(".writing")]


def record(server: ObjectServer) -> dict[str, Any]:
    """What the newest run has recorded: each has a record of its own."""
    found = [json.loads(data) for key, data in server.held().items() if "progress" in key]
    held: dict[str, Any] = max(found, key=lambda r: r["fence"])
    return held


def is_copy(request: dict[str, Any]) -> bool:
    return "HTTP_X_AMZ_COPY_SOURCE" in request


def is_record(request: dict[str, Any]) -> bool:
    return request["REQUEST_METHOD"] == "PUT" and "progress" in request["PATH_INFO"]


def before(server: ObjectServer, which: Callable[[dict[str, Any]], bool], then: Callable[[], object]) -> None:
    """Let something happen before the first such request is carried out."""

    def fault(request: dict[str, Any], carried_out: Callable[[], Answer]) -> Answer | None:
        if which(request):
            server.fault = None
            server.apart(then)
        return None

    server.fault = fault


def take_up(server: ObjectServer, kept: list[Any], *, takes_away: bool) -> None:
    """What the next run does before its first row; whoever reads may take the results away."""
    FileSink(OUT).commit(NEWER, kept)
    FileSink(OUT).discard(NEWER, ())
    if takes_away:
        for key in parts(server):
            server.delete(key)


@pytest.mark.parametrize("takes_away", [False, True])
@pytest.mark.parametrize("which", [is_copy, is_record], ids=["copy", "record"])
def test_a_run_that_stood_still_while_it_committed_adds_nothing(
    server: ObjectServer, which: Callable[[dict[str, Any]], bool], takes_away: bool
) -> None:
    sink = FileSink(OUT)
    kept = staged(sink, EPOCH)
    before(server, which, lambda: take_up(server, kept, takes_away=takes_away))
    with suppress(CheckpointError):
        # where it only had its own record left to write, nothing more can go wrong
        sink.commit(EPOCH, kept)
    FileSink(OUT).commit(NEWER, kept)
    assert len(parts(server)) == (0 if takes_away else 1)
    assert hidden(server) == []
    assert record(server)["fence"] == 2, "the record is not taken back"


def test_what_a_run_stages_after_it_was_overtaken_is_not_shown(server: ObjectServer) -> None:
    sink = FileSink(OUT)
    kept = staged(sink, EPOCH)
    take_up(server, kept, takes_away=False)
    late = staged(sink, EPOCH, ROWS.head(1))
    with pytest.raises(CheckpointError) as caught:
        sink.commit(replace(EPOCH, number=2), late)
    assert caught.value.code == "checkpoint-overtaken"
    assert len(parts(server)) == 1
    FileSink(OUT).discard(replace(NEWER, fence=3), ())
    assert hidden(server) == []


@pytest.mark.parametrize("status", ["503 Slow Down", "cut"])
def test_answers_that_get_lost_repeat_nothing(server: ObjectServer, status: str) -> None:
    """Each request that changes something is carried out twice, the first time without an answer."""
    seen: set[tuple[str, str]] = set()

    def fault(request: dict[str, Any], carried_out: Callable[[], Answer]) -> Answer | None:
        call = request["REQUEST_METHOD"], request["PATH_INFO"]
        if call[0] in ("GET", "HEAD") or call in seen:
            return None
        seen.add(call)
        carried_out()
        return server.cut(request) if status == "cut" else server.refusal(request, status)

    sink = FileSink(OUT)
    kept = staged(sink, EPOCH)
    server.fault = fault
    for number in range(1, 4):
        # a connection that breaks is an error, after which a checkpoint is committed again
        for _ in range(4):
            try:
                sink.commit(replace(EPOCH, number=number), kept if number == 1 else [])
                break
            except ConnectorError:
                continue
    server.fault = None
    sink.commit(replace(EPOCH, number=3), [])
    assert len(seen) > 1
    assert record(server)["numbers"] == {"1": 3}
    assert pl.read_parquet(server.held()[parts(server)[0]])["n"].to_list() == ROWS["n"].to_list()
    assert len(parts(server)) == 1


def test_a_damaged_record_is_said(server: ObjectServer) -> None:
    sink = FileSink(OUT)
    sink.commit(EPOCH, staged(sink, EPOCH))
    (name,) = (key for key in server.held() if "progress" in key)
    server.put(name, b"{")
    with pytest.raises(CheckpointError) as caught:
        sink.commit(replace(EPOCH, number=2), [])
    assert (caught.value.code, caught.value.where) == ("sink-progress-damaged", f"s3://{BUCKET}/{name}")


def test_partitions_and_marks_are_written_in_sql(server: ObjectServer) -> None:
    """Read back by their names, and with options of the session in place of the environment."""
    server.put("in/a.csv", b"shop,n\na b,1\nc,2\na b,3\n")
    session = tw.Session(checkpoint_dir=f"s3://{BUCKET}/kept")
    session.execute_sql(f"""
        CREATE TABLE sales WITH ('connector' = 'filesystem', 'path' = 's3://{BUCKET}/in');
        CREATE TABLE shops (shop STRING, n BIGINT) PARTITIONED BY (shop) WITH (
            'connector' = 'filesystem', 'path' = '{OUT}', 'format' = 'json',
            'sink.partition-commit.policy.kind' = 'success-file'
        );
        INSERT INTO shops SELECT shop, n FROM sales WHERE n > 1;
    """)
    session.run("shops", mode="stream")
    names = [key.removeprefix("out/") for key in server.held() if key.startswith("out/shop")]
    marks = [name for name in names if name.endswith("_SUCCESS")]
    assert marks == ["shop=a b/_SUCCESS", "shop=c/_SUCCESS"]
    assert len(names) == 4
    read = tw.Session().read_json(OUT).to_polars()
    assert sorted(read.select("shop", "n").rows()) == [("a b", 3), ("c", 2)]


def test_a_query_names_objects(server: ObjectServer) -> None:
    server.put("in/a.csv", b"shop,n\na,1\nb,2\n")
    found = tw.Session().sql(f"SELECT SUM(n) AS n FROM 's3://{BUCKET}/in/*.csv'").to_polars()
    assert found["n"].to_list() == [3]


def test_options_say_where_objects_are(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.put("in/a.csv", b"n\n1\n")
    for name in ("AWS_ENDPOINT", "AWS_ALLOW_HTTP", "AWS_REGION"):
        monkeypatch.delenv(name)
    session = tw.Session(options={"s3.region": "us-east-1", "s3.allow-http": "true"})
    session.execute_sql(f"SET 's3.endpoint' = '{server.endpoint}'")
    try:
        assert session.read_csv(f"s3://{BUCKET}/in").to_polars().height == 1
        session.execute_sql("RESET 's3.allow-http'")
        with pytest.raises(ConnectorError, match="plain HTTP"):
            session.read_csv(f"s3://{BUCKET}/in")
    finally:
        session.settings.reset()
        tw.Session().settings.reset()
