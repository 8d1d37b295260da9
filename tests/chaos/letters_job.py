"""A job over rows of which some cannot be read and some come too late; all of them end somewhere, once.

Started as a process, and killed:

    python -m tests.chaos.letters_job INPUT OUTPUT CHECKPOINTS files|sqlite
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import thalweg as tw
from thalweg.runtime.breaker import QuarantineLimit
from thalweg.runtime.options import RunOptions

ROWS, FILES = 4_000, 2
_BATCH, _EVERY = 100, 6
_START = datetime(2026, 1, 1)
JOB = "letters"
_TABLE = """
CREATE TABLE clicks (id BIGINT NOT NULL, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json', 'errors.dead-letter' = '{dead}')
"""
_COUNTS = """
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
"""


def is_unreadable(number: int) -> bool:
    """Whether a row cannot be read."""
    return number % 53 == 5


def is_late(number: int) -> bool:
    """Whether a row comes too late for its window: an hour."""
    return number % 37 == 3 and number >= 100 and not is_unreadable(number)


def write_input(directory: Path) -> None:
    """The rows as some files, one after the other."""
    directory.mkdir(parents=True)
    for part in range(FILES):
        numbers = range(part * ROWS // FILES, (part + 1) * ROWS // FILES)
        (directory / f"part-{part}.jsonl").write_text("".join(map(line_of, numbers)))


def line_of(number: int) -> str:
    """One row."""
    if is_unreadable(number):
        return [f'{{"id": "row {number}"}}\n', f'{{"n": {number}}}\n', f"{number}, not JSON\n"][number % 3]
    time = _START + timedelta(seconds=number) - timedelta(hours=24 * is_late(number))
    return json.dumps({"id": number, "ts": time.isoformat(sep=" ")}) + "\n"


@dataclass(frozen=True)
class Found:
    """What a job has published: the rows that passed, those counted in windows, and the dead letters."""

    passed: Counter[int]
    counted: int
    unreadable: Counter[int]
    late: Counter[int]

    @property
    def wrong(self) -> dict[str, int]:
        """Rows that are lost or repeated, once the job has ended."""
        wanted = (
            (self.passed, Counter(n for n in range(ROWS) if not is_unreadable(n))),
            (self.unreadable, Counter(filter(is_unreadable, range(ROWS)))),
            (self.late, Counter(filter(is_late, range(ROWS)))),
        )
        on_time = ROWS - sum(map(is_unreadable, range(ROWS))) - sum(map(is_late, range(ROWS)))
        lost = sum((w - f).total() for f, w in wanted) + max(0, on_time - self.counted)
        repeated = sum((f - w).total() for f, w in wanted) + max(0, self.counted - on_time)
        return {"lost": lost, "repeated": repeated}


def found(sinks: str, output: Path) -> Found:
    """What is there."""
    passed, counted = _in_database(output) if sinks == "sqlite" else _in_files(output)
    letters = [json.loads(line) for line in _lines(output / "dead")]
    rows = {w: [r for r in letters if r["reason"] == w] for w in ("unreadable", "late")}
    # a row's number follows from its place, whatever can be read of it
    numbers = {w: Counter(_number(r["split"], r["position"]) for r in held) for w, held in rows.items()}
    return Found(passed, counted, numbers["unreadable"], numbers["late"])


def _number(split: str, line: int) -> int:
    part = int(Path(split).stem.removeprefix("part-"))
    return part * ROWS // FILES + line - 1


def _lines(directory: Path) -> list[str]:
    files = sorted(directory.glob("*.jsonl"))
    return [line for f in files for line in f.read_text().splitlines()]


def _in_files(output: Path) -> tuple[Counter[int], int]:
    passed = Counter(json.loads(line)["id"] for line in _lines(output / "passed"))
    return passed, sum(json.loads(line)["n"] for line in _lines(output / "counts"))


def _in_database(output: Path) -> tuple[Counter[int], int]:
    if not (output / "out.db").exists():
        return Counter(), 0
    with closing(sqlite3.connect(output / "out.db")) as database:
        passed = Counter(n for (n,) in database.execute("SELECT id FROM passed"))
        (counted,) = database.execute("SELECT COALESCE(SUM(n), 0) FROM counts").fetchone()
    return passed, counted


def main() -> None:
    """Run the job to its end."""
    source, output, checkpoints, sinks = sys.argv[1:]
    options = {"pipeline.dead-letter.late-rows": "true"}
    session = tw.Session(parallelism=2, checkpoint_dir=checkpoints, options=options)
    session.execute_sql(_TABLE.format(path=source, dead=f"{output}/dead"))
    passed, counts = session.table("clicks").select("id"), session.sql(_COUNTS)
    Path(output).mkdir(exist_ok=True)
    if sinks == "sqlite":
        passed.write_sqlite(f"{output}/out.db", "passed")
        counts.write_sqlite(f"{output}/out.db", "counts")
    else:
        passed.write_json(f"{output}/passed")
        counts.write_json(f"{output}/counts")
    limit = QuarantineLimit(rate_max=0.5)
    how = RunOptions(rows_max=_BATCH, checkpoint_batches=_EVERY, quarantine=limit)
    session.run(JOB, mode="stream", options=how)


if __name__ == "__main__":
    main()
