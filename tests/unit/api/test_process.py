"""Keyed functions do what they say in both modes, over restarts, and say what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import DataError, ThalwegError
from thalweg.runtime.options import RunOptions


def at(second: int) -> datetime:
    return datetime(2026, 1, 1) + timedelta(seconds=second)


ROWS = pl.DataFrame(
    {
        "user": ["a", "b", "a", "a", "b"],
        "page": ["x", "y", "z", "x", "x"],
        "ts": [at(s) for s in (0, 1, 2, 30, 60)],
    }
)
MODES = pytest.mark.parametrize("mode", ["batch", "stream"])
RESULT = "user STRING, at TIMESTAMP, n BIGINT"


def clicks(rows: pl.DataFrame = ROWS, **options: Any) -> tw.Dataset:
    return tw.Session(**options).from_polars(rows).assign_watermark("ts", "1 second")


class Count(tw.ProcessFunction):
    n: int = 0

    def on_event(self, row: Any) -> Any:
        self.n += 1
        yield row.user, self.time, self.n


@MODES
def test_each_key_has_its_own_state(mode: Any) -> None:
    found = clicks().key_by("user").process(Count(), RESULT).collect(mode=mode)
    assert found.sort("at").rows() == [
        ("a", at(0), 1),
        ("b", at(1), 1),
        ("a", at(2), 2),
        ("a", at(30), 3),
        ("b", at(60), 2),
    ]


@dataclass
class Visit:
    page: str
    when: datetime
    times: int = 1


class Visits(tw.ProcessFunction):
    """State of a class of the user's, in a container."""

    limit: ClassVar[int] = 2
    visits: dict[str, Visit]

    def __init__(self, sign: str) -> None:
        self.sign = sign

    def on_event(self, row: Any) -> Any:
        visit = self.visits.setdefault(row.page, Visit(row.page, row.ts, 0))
        visit.times += 1
        if visit.times == self.limit:
            return [{"user": self.sign + self.key.user, "at": visit.when}]
        return None


@MODES
def test_state_of_a_class(mode: Any) -> None:
    found = clicks().key_by("user").process(Visits("~"), RESULT).collect(mode=mode)
    assert found.rows() == [("~a", at(0), None)]


class Quiet(tw.ProcessFunction):
    """A timer that every row sets anew, a side output, and state that is given up."""

    count: int = 0
    until: datetime | None = None

    def on_event(self, row: Any) -> None:
        if self.until is not None:
            self.delete_timer(self.until)
            self.emit("again", {"user": row.user, "gap": self.until - self.time})
        self.count, self.until = self.count + 1, self.time + timedelta(seconds=10)
        self.set_timer(timedelta(seconds=10))

    def on_timer(self) -> Any:
        yield self.key.user, self.time, self.count
        self.count, self.until = 0, None


@MODES
def test_timers_and_side_outputs(mode: Any) -> None:
    made = clicks().key_by("user").process(Quiet(), RESULT, sides={"again": "user STRING, gap INTERVAL DAY"})
    assert made.collect(mode=mode).sort("at").rows() == [
        ("b", at(11), 1),
        ("a", at(12), 2),
        ("a", at(40), 1),
        ("b", at(70), 1),
    ]
    assert made.side("again").collect(mode=mode).rows() == [("a", timedelta(seconds=8))]


@MODES
def test_times_with_a_zone(mode: Any) -> None:
    rows = ROWS.with_columns(pl.col("ts").dt.replace_time_zone("UTC"))
    made = clicks(rows).key_by("user").process(Quiet(), "user STRING, at TIMESTAMP_LTZ, n BIGINT")
    with pytest.raises(ThalwegError, match='has no side output "again"'):
        made.collect(mode=mode)
    counted = clicks(rows).key_by("user").process(Count(), "user STRING, at TIMESTAMP_LTZ, n BIGINT")
    assert counted.collect(mode=mode)["at"].min() == at(0).replace(tzinfo=UTC)


def test_late_rows_are_told() -> None:
    rows = pl.concat([ROWS, ROWS[:1]])
    made = clicks(rows).key_by("user").process(Count(), RESULT)
    assert made.late().collect(mode="stream").select("user", "position").rows() == [("a", 5)]
    assert made.collect(mode="batch").height == made.collect(mode="stream").height + 1


@MODES
def test_no_key_is_one_key(mode: Any) -> None:
    assert clicks().key_by().process(Count(), RESULT).collect(mode=mode)["n"].max() == 5


def test_state_goes_on_after_a_restart(tmp_path: Path) -> None:
    rows = pl.DataFrame({"user": ["a", "b"] * 500, "ts": [at(n) for n in range(1000)]})
    rows.write_parquet(tmp_path / "rows.parquet")
    tripped = tmp_path / "tripped"

    class Trips(Count):
        def on_event(self, row: Any) -> Any:
            if row.ts == at(700) and not tripped.exists():
                tripped.touch()
                raise OSError("the machine is gone")
            return super().on_event(row)

    session = tw.Session(checkpoint_dir=str(tmp_path / "kept"), parallelism=2)
    source = session.read_parquet(tmp_path / "rows.parquet").assign_watermark("ts", "1 second")
    source.key_by("user").process(Trips(), RESULT).write_parquet(tmp_path / "out")
    options = RunOptions(rows_max=50, checkpoint_batches=3)
    assert session.run("trips", mode="stream", options=options).restarts == 1
    found = pl.read_parquet(tmp_path / "out" / "*.parquet")
    assert sorted(found.rows()) == sorted(
        (u, at(n), n // 2 + 1) for n, u in enumerate(rows["user"].to_list())
    )


def test_a_plan_says_what_it_keeps() -> None:
    text = clicks().key_by("user").process(Count(), RESULT).explain(state=True)
    assert "Process Count by user in the order of ts" in text
    assert "the state of Count by user" in text


@dataclass
class Seen:
    pages: list[str]
    count: int = 0


def third(row: Any, state: Seen, turn: tw.ProcessFunction) -> Any:
    state.count += 1
    state.pages.append(row.page)
    turn.set_timer(timedelta(seconds=100))
    return [(row.user, turn.time, state.count)] if state.count == 3 else None


def tell(state: Seen, turn: tw.ProcessFunction) -> Any:
    yield "".join(state.pages), turn.time, state.count


@MODES
def test_plain_functions(mode: Any) -> None:
    keyed = clicks().key_by("user")
    found = keyed.process(third, RESULT, on_timer=tell).collect(mode=mode).sort("at", "user")
    ends = [("xzx", at(s), 3) for s in (100, 102, 130)]
    assert found.rows() == [("a", at(30), 3), ends[0], ("yx", at(101), 2), *ends[1:], ("yx", at(160), 2)]
    assert keyed.process(lambda row: [(row.user,)], "user STRING").collect(mode=mode).height == ROWS.height


def test_plain_functions_of_something_else() -> None:
    keyed = clicks().key_by("user")
    for wrong in (lambda row, state: None, lambda: None, lambda a, b, c, d: None):
        with pytest.raises(tw.PlanError) as caught:
            keyed.process(wrong, RESULT)
        assert caught.value.code == "plan-process-function"


# Two inputs ---------------------------------------------------------------------------------------

PAGES = pl.DataFrame({"who": ["a", "b"], "name": ["Ada", "Bob"], "since": [at(1), at(59)]})


class Named(tw.CoProcessFunction):
    name: str = "?"

    def on_left(self, row: Any) -> Any:
        yield row.user, self.time, self.name

    def on_right(self, row: Any) -> Any:
        self.name = row.name


@MODES
def test_two_inputs(mode: Any) -> None:
    session = tw.Session()
    left = session.from_polars(ROWS).assign_watermark("ts", "1 second")
    right = session.from_polars(PAGES).assign_watermark("since", "1 second")
    made = (
        left.key_by("user")
        .connect(right.key_by("who"))
        .process(Named(), "user STRING, at TIMESTAMP, n STRING")
    )
    assert made.collect(mode=mode).sort("at")["n"].to_list() == ["?", "?", "Ada", "Ada", "Bob"]


class Watched(tw.BroadcastProcessFunction):
    pages: tw.Broadcast[str, bool]
    seen: int = 0

    def on_broadcast(self, row: Any) -> None:
        self.pages[row.page] = row.is_on  # type: ignore[index]  # it is a dict here

    def on_event(self, row: Any) -> Any:
        if self.pages.get(row.page):
            self.seen += 1
            yield row.user, self.time, self.seen


RULES = pl.DataFrame({"page": ["x", "z", "x"], "is_on": [True, True, False], "at": [at(0), at(1), at(45)]})


@MODES
def test_rows_for_all_keys(mode: Any) -> None:
    session = tw.Session()
    left = session.from_polars(ROWS).assign_watermark("ts", "1 second")
    rules = session.from_polars(RULES).assign_watermark("at", "1 second")
    made = left.key_by("user").connect(rules.broadcast()).process(Watched(), RESULT)
    assert made.collect(mode=mode).sort("at").rows() == [("a", at(0), 1), ("a", at(2), 2), ("a", at(30), 3)]


class Meddles(Watched):
    def on_event(self, row: Any) -> Any:
        self.pages["q"] = True  # type: ignore[index]  # that is the mistake


def test_what_holds_for_all_keys_is_not_changed_by_one() -> None:
    session = tw.Session(parallelism=1)
    left = session.from_polars(ROWS).assign_watermark("ts", "1 second")
    rules = session.from_polars(RULES).assign_watermark("at", "1 second")
    with pytest.raises(DataError, match="does not support item assignment"):
        left.key_by("user").connect(rules.broadcast()).process(Meddles(), RESULT).collect()


def test_inputs_and_functions_that_do_not_fit() -> None:
    left = clicks()
    right = left.session.from_polars(PAGES.with_columns(number=1)).assign_watermark("since", "1 second")
    with pytest.raises(tw.PlanError) as caught:
        left.key_by("user").connect(right.key_by("number")).process(Named(), RESULT)
    assert caught.value.code == "plan-process-keys"
    for keyed, function in ((left.key_by("user"), Named()), (left.key_by("user"), Watched())):
        with pytest.raises(tw.PlanError, match="a function of one input"):
            keyed.process(function, RESULT)
    with pytest.raises(tw.PlanError, match="a function of two inputs"):
        left.key_by("user").connect(right.key_by("who")).process(Count(), RESULT)  # type: ignore[arg-type]
    with pytest.raises(tw.PlanError, match="a function of rows for all keys"):
        left.key_by("user").connect(right.broadcast()).process(Named(), RESULT)


# Mistakes -----------------------------------------------------------------------------------------


class Untyped(tw.ProcessFunction):
    what: object = None


class Bare(tw.ProcessFunction):
    seen: list  # type: ignore[type-arg]  # that is the mistake


class NoBegin(tw.ProcessFunction):
    name: str


@pytest.mark.parametrize(
    ("function", "told"),
    [(Untyped(), '"what" of Untyped'), (Bare(), '"seen" of Bare'), (NoBegin(), "what a key begins with")],
    ids=["object", "bare list", "no beginning"],
)
def test_state_that_cannot_be_kept(function: tw.ProcessFunction, told: str) -> None:
    with pytest.raises(tw.PlanError, match=told) as caught:
        clicks().key_by("user").process(function, RESULT)
    assert caught.value.code == "plan-state-type"


def test_what_is_no_function() -> None:
    with pytest.raises(tw.PlanError, match="ProcessFunction") as caught:
        clicks().key_by("user").process(Count, RESULT)  # type: ignore[arg-type]  # the class itself
    assert caught.value.hint == "Count() makes one"


def test_no_time_and_two_times() -> None:
    rows = tw.Session().from_polars(ROWS)
    with pytest.raises(tw.PlanError, match="no column is one") as caught:
        rows.key_by("user").process(Count(), RESULT)
    assert caught.value.code == "plan-process-time"
    made = rows.key_by("user").process(Count(), RESULT, time="ts")
    assert made.collect(mode="stream").height == ROWS.height
    two = clicks().with_columns(also=tw.col("ts"))
    with pytest.raises(tw.PlanError, match="several columns are"):
        two.key_by("user").process(Count(), RESULT)
    with pytest.raises(tw.TypeMismatch, match="is no time"):
        two.key_by("user").process(Count(), RESULT, time="page")


def test_rows_that_change_are_refused() -> None:
    changing = clicks().group_by("user").agg(ts=tw.max("ts"))
    with pytest.raises(tw.PlanError) as caught:
        changing.key_by("user").process(Count(), RESULT, time="ts")
    assert caught.value.code == "plan-process-changes"


def test_side_outputs_that_are_not_there() -> None:
    made = clicks().key_by("user").process(Quiet(), RESULT, sides={"again": "user STRING, gap INTERVAL DAY"})
    with pytest.raises(tw.PlanError, match='did you mean "again"'):
        made.side("agan")
    with pytest.raises(tw.PlanError, match="no keyed function"):
        clicks().side("again")


class Broken(tw.ProcessFunction):
    n: int = 0

    def __init__(self, way: str) -> None:
        self.way = way

    def on_event(self, row: Any) -> Any:
        if self.way == "raise":
            raise ValueError("no such page")
        if self.way == "past":
            self.set_timer(timedelta(seconds=-1))
        if self.way == "again":
            self.set_timer(timedelta())
        if self.way == "state":
            self.n = "three"  # type: ignore[assignment]  # that is the mistake
        if self.way == "fraction":
            self.n += 0.5  # type: ignore[assignment]  # the same
        return [(1, 2)] if self.way == "width" else None

    def on_timer(self) -> Any:
        self.set_timer(timedelta())


@MODES
@pytest.mark.parametrize(
    ("way", "code", "told"),
    [
        ("raise", "data-python-function", "Broken raised ValueError: no such page"),
        ("past", "data-timer-past", "sets a timer for a time that has passed"),
        ("again", "data-timer-past", "sets a timer for a time that has passed"),
        ("state", "data-python-state", '"n" of Broken'),
        ("fraction", "data-python-state", '"n" of Broken'),
        ("width", "data-python-result", "gave other rows than declared"),
    ],
)
def test_mistakes_of_the_function(mode: Any, way: str, code: str, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        clicks(parallelism=1).key_by("user").process(Broken(way), RESULT).collect(mode=mode)
    assert caught.value.code == code
    if way == "raise":
        assert f"{__file__}:" in str(caught.value.where)
        assert "user='a'" in str(caught.value.found)


# Functions of columns -----------------------------------------------------------------------------


class CountColumns(tw.ColumnFunction):
    n: int = 0

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame:
        self.n = self.n + 1
        return rows.select("user", self.times.alias("at"), n=pl.Series(self.n))


@MODES
def test_functions_of_columns(mode: Any) -> None:
    keyed = clicks().key_by("user")
    found, wanted = (keyed.process(f, RESULT).collect(mode=mode) for f in (CountColumns(), Count()))
    assert sorted(found.rows()) == sorted(wanted.rows())


class BrokenColumns(tw.ColumnFunction):
    n: int = 0

    def __init__(self, way: str) -> None:
        self.way = way

    def on_events(self, rows: pl.DataFrame) -> Any:
        if self.way == "raise":
            raise ValueError("no such page")
        if self.way == "past":
            self.set_timers(timedelta(seconds=-1))
        if self.way == "length":
            self.n = pl.Series([1] * 99).to_numpy()  # type: ignore[assignment]  # that is the mistake
        if self.way == "fraction":
            self.n = self.n + 0.5  # type: ignore[assignment]  # the same
        return {"columns": rows, "rows": [1]}.get(self.way)

    def on_timers(self) -> None:
        pass


@pytest.mark.parametrize(
    ("way", "code"),
    [
        ("raise", "data-python-function"),
        ("past", "data-timer-past"),
        ("length", "data-python-state"),
        ("fraction", "data-python-state"),
        ("columns", "data-python-result"),
        ("rows", "data-python-result"),
    ],
)
def test_mistakes_of_functions_of_columns(way: str, code: str) -> None:
    with pytest.raises(DataError) as caught:
        clicks(parallelism=1).key_by("user").process(BrokenColumns(way), RESULT).collect(mode="stream")
    assert caught.value.code == code
