"""Jobs keep their checkpoints in an object store as they do in a directory."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from tests.objects.server import BUCKET, Answer, ObjectServer
from thalweg.checkpoint.history import History
from thalweg.checkpoint.object_store import ObjectStore
from thalweg.cli.entry import run as command_line
from thalweg.errors import CheckpointError, StoreError
from thalweg.runtime.options import RunOptions

KEPT = f"s3://{BUCKET}/kept"
ROWS = pl.DataFrame({"shop": [n % 7 for n in range(300)], "n": range(300)})
Command = Callable[..., tuple[int, str, str]]
TOTALS = sorted(ROWS.group_by("shop").agg(pl.col("n").sum()).rows())


def session(folder: Path, directory: str = KEPT) -> tw.Session:
    made = tw.Session(
        parallelism=1, checkpoint_dir=directory, options={"execution.checkpointing.num-retained": "2"}
    )
    if not (folder / "in").exists():
        (folder / "in").mkdir()
        ROWS.write_parquet(folder / "in" / "a.parquet")
    rows = made.read_parquet(str(folder / "in"))
    rows.group_by("shop").agg(n=tw.sum("n")).write_sqlite(str(folder / "out.db"), "totals")
    return made


def run(folder: Path, directory: str = KEPT, **how: Any) -> None:
    made = session(folder, directory)
    made.run("totals", mode="stream", options=RunOptions(rows_max=10, checkpoint_batches=5), **how)


def shown(folder: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "out.db")) as database:
        return sorted(database.execute("SELECT shop, n FROM totals"))


@pytest.fixture
def thalweg(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command line here: exit code, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = command_line(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_a_job_goes_on_and_its_checkpoints_are_looked_at(
    server: ObjectServer, tmp_path: Path, thalweg: Command
) -> None:
    run(tmp_path)
    assert shown(tmp_path) == TOTALS
    kept = tw.Checkpoints(KEPT)
    assert kept.jobs() == ["totals"]
    listed = kept.list()
    # of all that were taken these are retained
    assert listed.height == 2
    first, last = listed["number"].to_list()
    assert last > first + 1 or first > 1
    assert listed["has_ended"].to_list() == [False, True]
    assert kept.open("totals", first).state("group1.group").height == 7
    server.requests.clear()
    run(tmp_path)
    written = [path for method, path in server.requests if method == "PUT"]
    assert all("/holders/" in path for path in written), "it had reached its end"

    code, out, _ = thalweg("checkpoint", "show", KEPT, "totals", str(first))
    assert code == 0
    assert "group1.group" in out
    assert thalweg("checkpoint", "verify", KEPT)[1] == "2 checkpoints are whole\n"
    path = thalweg("checkpoint", "save", "totals", "--checkpoint-dir", KEPT, "--number", str(first))[
        1
    ].strip()
    assert path == f"{KEPT}/totals/savepoints/savepoint-totals-{first:08}-001"
    assert thalweg("checkpoint", "verify", path)[1] == "the savepoint is whole\n"
    assert "savepoint-totals" in thalweg("checkpoint", "list", KEPT, "--json")[1]
    assert "group1.group" in thalweg("checkpoint", "diff", KEPT, "totals", str(first), str(last))[1]
    assert thalweg("checkpoint", "delete", KEPT, "totals", str(first))[0] == 0
    assert kept.list()["savepoint"].to_list() == [None, path]
    assert "goes on from" in thalweg("checkpoint", "delete", KEPT, "totals", str(last))[2]
    # the savepoint has data of its own
    run(tmp_path, start=path)
    assert shown(tmp_path) == TOTALS
    assert thalweg("checkpoint", "delete", path)[0] == 0
    assert [key for key in server.held() if "savepoints" in key] == []


def test_a_savepoint_moves_between_a_directory_and_objects(server: ObjectServer, tmp_path: Path) -> None:
    run(tmp_path, str(tmp_path / "here"))
    near = tw.Checkpoints(str(tmp_path / "here"))
    number = near.list()["number"][0]
    path = near.open("totals", number).save(f"s3://{BUCKET}/backups")
    run(tmp_path, start=path)
    assert shown(tmp_path) == TOTALS
    assert tw.Checkpoints(KEPT).list().height == 2
    back = tw.Checkpoints(KEPT).open("totals").save(str(tmp_path / "back"))
    assert Path(back, "manifest").is_file()


def test_of_runs_that_begin_at_once_each_has_a_number_of_its_own(server: ObjectServer) -> None:
    def taken(number: int) -> list[int]:
        history = History(ObjectStore(KEPT), "job")
        return [history.take_fence() for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        fences = [fence for found in pool.map(taken, range(4)) for fence in found]
    assert sorted(fences) == list(range(1, 13))


def test_a_run_that_was_overtaken_publishes_nothing(server: ObjectServer, tmp_path: Path) -> None:
    """Another run begins while this one reads: nothing locks objects, the number decides."""
    made = session(tmp_path)
    begun = threading.Event()

    def overtake(request: dict[str, Any], carried_out: Callable[[], Answer]) -> Answer | None:
        if request["REQUEST_METHOD"] == "PUT" and request["PATH_INFO"].endswith("/manifest"):
            server.fault = None
            begun.set()
            carried_out()
            server.apart(lambda: History(ObjectStore(KEPT), "totals").take_fence())
            request["start"](*request["said"])
            return [b""]
        return None

    server.fault = overtake
    with pytest.raises(CheckpointError) as caught:
        made.run("totals", mode="stream", options=RunOptions(rows_max=10, checkpoint_batches=5))
    assert caught.value.code == "checkpoint-overtaken"
    assert begun.is_set()
    run(tmp_path)
    assert shown(tmp_path) == TOTALS


def test_the_age_of_an_object_is_told_by_the_clock_of_the_store(
    server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ObjectStore(KEPT)
    store.put("job/data/old", b"")
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert store.age("job/data/old") < 60
    assert ObjectStore(KEPT).age("job/data/old") == 0.0, "nothing was written by which to tell"


def test_foreign_objects_are_left_alone(server: ObjectServer, tmp_path: Path) -> None:
    foreign = {
        f"kept/{name}": b"mine"
        for name in ("notes", "totals/notes", "totals/data/notes", "totals/fences/notes", "totals/data/a/b")
    }
    for key, data in foreign.items():
        server.put(key, data)
    run(tmp_path)
    held = server.held()
    assert {key: held[key] for key in foreign} == foreign
    assert tw.Checkpoints(KEPT).jobs() == ["totals"]


def test_a_damaged_object_is_found_before_a_row_is_used(
    server: ObjectServer, tmp_path: Path, thalweg: Command
) -> None:
    run(tmp_path)
    before = server.held()
    name = next(k for k in sorted(before) if k.endswith("/manifest"))
    for data in (before[name][:-1], b"", before[name].replace(b"group", b"grouq", 1)):
        server.put(name, data)
        code, _, said = thalweg("checkpoint", "verify", KEPT)
        assert code == 4
        assert "checkpoint-damaged" in said
        assert f"s3://{BUCKET}/{name}" in said
    assert server.held().keys() == before.keys()


def test_a_store_that_refuses_for_a_while_costs_no_row(
    server: ObjectServer, tmp_path: Path, thalweg: Command
) -> None:
    """Every third request that writes is carried out, and answered with an error."""
    writes: list[str] = []

    def fail(request: dict[str, Any], carried_out: Callable[[], Answer]) -> Answer | None:
        if request["REQUEST_METHOD"] != "PUT":
            return None
        writes.append(request["PATH_INFO"])
        if len(writes) % 3:
            return None
        carried_out()
        return server.refusal(request, "503 Slow Down")

    server.fault = fail
    run(tmp_path)
    server.fault = None
    assert len(writes) > 9
    assert shown(tmp_path) == TOTALS
    assert thalweg("checkpoint", "verify", KEPT)[0] == 0


def test_what_fails_names_the_place_and_what_is_safe(server: ObjectServer) -> None:
    def refuse(request: dict[str, Any], carried_out: Callable[[], Answer]) -> Answer | None:
        return server.refusal(request, "403 Forbidden", "AccessDenied")

    server.fault = refuse
    store = ObjectStore(KEPT)
    for call in (
        lambda: store.put("a", b""),
        lambda: store.put_new("a", b""),
        lambda: store.get("a"),
        lambda: store.names("a"),
        lambda: store.delete("a"),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert caught.value.where == f"{KEPT}/a"
        assert "403" in str(caught.value.found)
        assert "nothing was deleted" in str(caught.value.hint)
        assert "secret-of-the-tests" not in str(caught.value)
