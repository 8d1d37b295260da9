"""Run the Nexmark queries from their SQL texts, in any way, over any events.

Not here: what they must give (golden.py, reference.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from thalweg.base.types import INT64
from thalweg.expr.nodes import PythonFunction
from thalweg.plan.nodes import Plan
from thalweg.session.session import Session
from thalweg.sql.parse import parse
from thalweg.sql.statements import CreateTable

QUERIES = Path(__file__).parent.parent / "unit" / "sql" / "queries"
_OPTIONS = {"rows": "execution.batch-rows", "runtime": "execution.runtime"}
_FILES = "'connector' = 'filesystem', 'path' = '${EVENTS}', 'format' = '${FORMAT}'"


def names() -> list[str]:
    """Every query whose text is there."""
    return sorted(p.stem for p in QUERIES.glob("*.sql") if p.stem != "ddl")


def count_char(text: str | None, character: str | None) -> int | None:
    """The user's function of q14; there is a built-in one of the same name."""
    return None if text is None or character is None else text.count(character)


COUNT_CHAR = PythonFunction("count_char", count_char, INT64)


@dataclass(frozen=True)
class Query:
    """One of the queries, over some events.

    Attributes:
        name: of its text.
        events: the options of the table of events, as SQL.
        folder: where it may write.
        functions: the user's.
    """

    name: str
    events: str
    folder: Path
    functions: dict[str, PythonFunction] = field(default_factory=dict)

    def bound(self, session: Session) -> Plan:
        """The plan of what it inserts, with the columns of the table that takes it."""
        session.catalog.functions.update(self.functions)
        session.execute_sql(_text("ddl").replace(_FILES, self.events))
        before, _, insert = self._filled().partition("INSERT INTO ")
        target = next(s for s in reversed(parse(before)) if isinstance(s, CreateTable))
        session.execute_sql(before)
        found = session.sql(insert.split("\n", 1)[1] if target.name == "answer" else insert.split(" ", 1)[1])
        return found.rename(dict(zip(found.columns, (c.name for c in target.columns), strict=True))).plan

    def answer(
        self, mode: str, *, parallelism: int = 2, lateness: str | None = None, **options: str
    ) -> pl.DataFrame:
        """What it gives in a mode; the options are those of a session, by short names."""
        session = Session(parallelism=parallelism, options={_OPTIONS[n]: v for n, v in options.items()})
        plan = self.bound(session)
        if self.name != "q10":
            return session.collect(plan, mode=mode, lateness=lateness)
        session.execute_sql(self._filled()[self._filled().index("INSERT INTO ") :])
        session.run(mode=mode)  # type: ignore[arg-type]  # one of the modes
        return session.table("bids_by_minute").collect()

    def _filled(self) -> str:
        """Its text with everything filled in."""
        text = _text(self.name)
        side = self.folder / "side.csv"
        if "${SIDE_INPUT}" in text and not side.exists():
            keys = pl.int_range(10_000, eager=True).alias("key")
            keys.to_frame().with_columns(keys.cast(pl.String).alias("value")).write_csv(side)
        filled = {
            "${SINK}": "'connector' = 'blackhole'",
            "${SIDE_INPUT}": str(side),
            "${OUT}": str(self.folder),
        }
        for name, value in filled.items():
            text = text.replace(name, value)
        return text


def comparable(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows in one order, times in one unit, exact numbers as Flink wrote them: as floats."""
    exprs = []
    for name, held in frame.schema.items():
        column = pl.col(name)
        if isinstance(held, pl.Decimal):
            column = column.cast(pl.Float64)
        if isinstance(held, pl.Datetime):
            column = column.cast(pl.Datetime("us"))
        exprs.append(column.round(6) if held.is_float() or isinstance(held, pl.Decimal) else column)
    return frame.select(exprs).sort(pl.all())


def difference(name: str, found: pl.DataFrame, wanted: pl.DataFrame) -> str | None:
    """How two answers of a query differ, rows in one order; None if they do not."""
    found.columns = wanted.columns
    if name == "q19":
        # rows of equal price may change places
        found, wanted = (f.select("auction", "price", "rank_number").sort(pl.all()) for f in (found, wanted))
    try:
        assert_frame_equal(found, wanted, check_dtypes=False, rel_tol=1e-9)
    except AssertionError as error:
        return str(error)
    return None


def generated(events: int, rate: int, **options: int) -> str:
    """The options of a table of generated events."""
    given = {"events.num": events, "first-event.rate": rate, "seed": 1, **options}
    return ", ".join(
        ["'connector' = 'nexmark'", *(f"'{k.replace('_', '-')}' = '{v}'" for k, v in given.items())]
    )


def in_file(path: Path) -> str:
    """The options of a table of events in a file, or a directory, of Parquet."""
    return f"'connector' = 'filesystem', 'path' = '{path}', 'format' = 'parquet'"


def _text(name: str) -> str:
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
