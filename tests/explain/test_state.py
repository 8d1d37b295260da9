"""What each query of Nexmark keeps, and for how long, is what its golden text says.

`python -m tests.explain.test_state` writes the texts anew; read what has changed.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.sql.test_flink_answers import DATA, QUERIES, nexmark
from thalweg.columnar.buffers import NO_WORDS
from thalweg.job.state_report import entry_size
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, MultimapSpec, RowsSpec, StateSpec
from thalweg.state.memory import KeyedColumns
from thalweg.state.multimap import Multimap
from thalweg.state.rows import Rows

FOLDER = Path(__file__).parent / "state"


def names() -> list[str]:
    """All queries that there is a way to run; q12 and q13 have tables of their own."""
    found = [p.stem for p in QUERIES.glob("*.sql")]
    return sorted(n for n in found if n not in ("ddl", "q12", "q13") and not n.startswith("cep"))


def text(name: str) -> str:
    """What is said of the state of a query."""
    statement = (QUERIES / f"{name}.sql").read_text()
    select = statement[statement.index("SELECT", statement.index("INSERT INTO")) :].rstrip().rstrip(";")
    dataset = nexmark(DATA / "events.parquet", 2).sql(select)
    return dataset.explain(state=True).split("== state, as a stream ==\n")[1] + "\n"


@pytest.mark.parametrize("name", names())
def test_state_of_a_query(name: str) -> None:
    assert text(name) == (FOLDER / f"{name}.txt").read_text()


def test_every_text_has_a_query() -> None:
    assert sorted(p.stem for p in FOLDER.glob("*.txt")) == names()


ROWS = 50_000


def _columns() -> tuple[StateSpec, int]:
    spec = ColumnsSpec("n", {"k": pl.Int64(), "t": pl.Int64()}, {c: ColumnSpec("int64") for c in "abc"})
    state = KeyedColumns(spec)
    state.slots(pl.DataFrame({"k": range(ROWS), "t": range(ROWS)}))
    return spec, state.nbytes


def _multimap() -> tuple[StateSpec, int]:
    spec = MultimapSpec(
        "n", {"k": pl.Int64(), "v": pl.Int64()}, ("k",), is_updating=False, counters=("until",)
    )
    state = Multimap(spec)
    frame = pl.DataFrame({"k": [0] * ROWS, "v": range(ROWS)})
    state.add(frame, state.slots(frame.select("k")), NO_WORDS)
    return spec, state.nbytes


def _rows() -> tuple[StateSpec, int]:
    spec = RowsSpec("n", {"v": pl.Int64(), "f": pl.Boolean(), "g": pl.Int64()}, "g")
    state = Rows(spec)
    state.add(pl.DataFrame({"v": range(ROWS), "f": [True] * ROWS, "g": [1] * ROWS}))
    return spec, state.nbytes


@pytest.mark.parametrize("made", [_columns, _multimap, _rows])
def test_sizes_are_about_those_in_memory(made: object) -> None:
    spec, held = made()  # type: ignore[operator]  # one of the functions above
    said = int(entry_size(spec).split()[1])
    assert 0.7 * said < held / ROWS < 2.1 * said


if __name__ == "__main__":
    for each in names():
        (FOLDER / f"{each}.txt").write_text(text(each))
