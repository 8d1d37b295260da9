"""A row that no column can hold stops the job with its place, or is put down whole with its place.

Each kind of poison stands between two good rows. Both ways to run a job must find the same good rows, and
say the same of the bad one: line or row, byte, text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.connectors.text.block import RECORD_MAX
from thalweg.errors import DataError

COLUMNS = """id BIGINT NOT NULL, n INT, small TINYINT, d DECIMAL(5, 2), f DOUBLE, b BOOLEAN, s STRING,
  at TIMESTAMP(3), day DATE, tm TIME, raw BYTES, l ARRAY<INT>, r ROW<x INT>, m MAP<STRING, INT>"""
FLAT = COLUMNS[: COLUMNS.index(", l ARRAY")]
CLOCK = ", WATERMARK FOR at AS at - INTERVAL '1' DAY"
TIME = b'"at": "2026-01-01 00:00:00"'

JSON = {
    "the object is not closed": b'{"id": 1',
    "an array": b"[1, 2]",
    "a text": b'"id"',
    "a bare null": b"null",
    "text after the object": b'{"id": 1} x',
    "two objects": b'{"id": 1}{"id": 2}',
    "a name without quotes": b"{id: 1}",
    "no colon": b'{"id" 1}',
    "no comma": b'{"id": 1 "n": 2}',
    "no value": b'{"id": }',
    "a zero in front": b'{"id": 01}',
    "a fraction for a whole number": b'{"id": 1.5}',
    "a text for a number": b'{"id": "x"}',
    "a flag for a number": b'{"id": true}',
    "beyond BIGINT": b'{"id": 9223372036854775808}',
    "beyond INT": b'{"id": 1, "n": 2147483648}',
    "beyond TINYINT": b'{"id": 1, "small": 128}',
    "a number for a flag": b'{"id": 1, "b": 1}',
    "a number for a text": b'{"id": 1, "s": 5}',
    "NaN": b'{"id": 1, "f": NaN}',
    "an object for a number": b'{"id": 1, "f": {}}',
    "beyond DECIMAL": b'{"id": 1, "d": 1000.00}',
    "a month too many": b'{"id": 1, "at": "2026-13-01 00:00:00"}',
    "a day too many": b'{"id": 1, "day": "2026-02-30"}',
    "an hour too many": b'{"id": 1, "tm": "25:00:00"}',
    "no base64": b'{"id": 1, "raw": "###"}',
    "a text in a list": b'{"id": 1, "l": [1, "x"]}',
    "an object for a list": b'{"id": 1, "l": {"a": 1}}',
    "a list for a row": b'{"id": 1, "r": [1]}',
    "a text in a row": b'{"id": 1, "r": {"x": "y"}}',
    "a text in a map": b'{"id": 1, "m": {"k": "v"}}',
    "no UTF-8": b'{"id": 1, "s": "\xff"}',
    "a bare tab": b'{"id": 1, "s": "a\tb"}',
    "an unknown escape": rb'{"id": 1, "s": "\q"}',
    "half of a pair": rb'{"id": 1, "s": "\ud800"}',
    "a text that is not closed": b'{"id": 1, "s": "abc',
    "too deep": b'{"id": 1, "z": ' + b"[" * 65 + b"]" * 65 + b"}",
    "a byte order mark": b'\xef\xbb\xbf{"id": 1}',
    "a zero byte": b'\x00{"id": 1}',
    "NULL where there must be none": b'{"id": null, ' + TIME + b"}",
    "nothing where there must be something": b'{"n": 1, ' + TIME + b"}",
    "no event time": b'{"id": 1, "at": null}',
}
CSV = {
    "a field too few": b"1,2",
    "a field too many": b"1,,,,,,,2026-01-01 00:00:00,,,,x",
    "a quote that is not closed": b'1,,,,,,"abc,2026-01-01 00:00:00,,,',
    "a quote within a field": b'1,,,,,,a"b,2026-01-01 00:00:00,,,',
    "a text for a number": b"x,,,,,,,2026-01-01 00:00:00,,,",
    "a fraction for a whole number": b"1.5,,,,,,,2026-01-01 00:00:00,,,",
    "beyond BIGINT": b"9223372036854775808,,,,,,,2026-01-01 00:00:00,,,",
    "beyond INT": b"1,2147483648,,,,,,2026-01-01 00:00:00,,,",
    "beyond TINYINT": b"1,,128,,,,,2026-01-01 00:00:00,,,",
    "beyond DECIMAL": b"1,,,1000.00,,,,2026-01-01 00:00:00,,,",
    "no number": b"1,,,,1e,,,2026-01-01 00:00:00,,,",
    "no flag": b"1,,,,,maybe,,2026-01-01 00:00:00,,,",
    "a month too many": b"1,,,,,,,2026-13-01 00:00:00,,,",
    "a day too many": b"1,,,,,,,2026-01-01 00:00:00,2026-02-30,,",
    "an hour too many": b"1,,,,,,,2026-01-01 00:00:00,,25:00:00,",
    "no base64": b"1,,,,,,,2026-01-01 00:00:00,,,###",
    "no UTF-8": b"1,,,,,,\xff,2026-01-01 00:00:00,,,",
    "NULL where there must be none": b",,,,,,,2026-01-01 00:00:00,,,",
    "no event time": b"1,,,,,,,,,,",
}
GOOD_JSON = b'{"id": 7, ' + TIME + b"}"
GOOD_CSV = b"7,,,,,,,2026-01-01 00:00:00,,,"
HEADER = b"id,n,small,d,f,b,s,at,day,tm,raw"
TYPED: dict[str, dict[str, Any]] = {
    "NULL where there must be none": {"id": None, "at": 0},
    "no event time": {"id": 1, "at": None},
}
MODES = ("batch", "stream")


@dataclass
class Poison:
    """A file with one bad row, and what must be said of it."""

    form: str
    columns: str
    file: Path
    position: int
    byte: int | None
    raw: bytes
    is_whole: bool = True
    unit: str = "line"

    def session(self, folder: Path, options: str) -> tw.Session:
        """A job that reads the file."""
        session = tw.Session(parallelism=1)
        session.execute_sql(
            f"CREATE TABLE t ({self.columns}{CLOCK}) WITH ('connector' = 'filesystem', "
            f"'path' = '{self.file}', 'format' = '{self.form}', {options})"
        )
        rows = session.table("t")
        rows.write_parquet(str(folder / "good"))
        rows.window(tw.tumbling("1h")).agg(n=tw.count()).write_json(str(folder / "counts"))
        return session

    def check_stops(self, folder: Path, mode: str) -> None:
        """The job stops, and says where."""
        session = self.session(folder, "'errors.tolerance' = 'none'")
        with pytest.raises(DataError) as caught:
            session.run(mode=mode, lateness="as_stream")
        error = caught.value
        assert (error.split, error.offset) == (str(self.file), self.position)
        assert f"{self.file}, {self.unit} {self.position}" in str(error.where)

    def check_kept(self, folder: Path, mode: str) -> None:
        """The other rows are there, and the bad one is put down."""
        dead = folder / "dead"
        session = self.session(folder, f"'errors.dead-letter' = '{dead}'")
        result = session.run(mode=mode)
        assert result.bad_count == 1
        assert session.read_parquet(str(folder / "good")).collect().height == 2
        counts = session.read_json(str(folder / "counts"), schema="n BIGINT").collect()
        assert counts["n"].sum() == 2
        letter = tw.DeadLetters(dead).rows().row(0, named=True)
        assert (letter["split"], letter["position"], letter["unit"]) == (
            str(self.file),
            self.position,
            self.unit,
        )
        assert (letter["byte"], letter["is_whole"]) == (self.byte, self.is_whole)
        assert letter["raw"] == self.raw
        assert letter["error"]
        assert letter["code"] in ("data-bad-row", "data-null-time")


def json_poison(folder: Path, poison: bytes) -> Poison:
    file = folder / "in.jsonl"
    file.write_bytes(b"\n".join([GOOD_JSON, poison, GOOD_JSON, b""]))
    return Poison("json", COLUMNS, file, 2, len(GOOD_JSON) + 1, poison)


def csv_poison(folder: Path, poison: bytes) -> Poison:
    file = folder / "in.csv"
    file.write_bytes(b"\n".join([HEADER, GOOD_CSV, poison, GOOD_CSV, b""]))
    return Poison("csv", FLAT, file, 3, len(HEADER) + len(GOOD_CSV) + 2, poison)


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", JSON)
def test_json(kind: str, mode: str, tmp_path: Path) -> None:
    made = json_poison(tmp_path, JSON[kind])
    made.check_stops(tmp_path, mode)
    made.check_kept(tmp_path, mode)


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", CSV)
def test_csv(kind: str, mode: str, tmp_path: Path) -> None:
    made = csv_poison(tmp_path, CSV[kind])
    made.check_stops(tmp_path, mode)
    made.check_kept(tmp_path, mode)


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["json", "csv"])
def test_records_that_are_too_long(form: str, mode: str, tmp_path: Path) -> None:
    if form == "json":
        poison = b'{"id": 1, "s": "' + b"x" * RECORD_MAX + b'"}'
        made = json_poison(tmp_path, poison)
    else:
        poison = b"1,,,,,," + b"x" * RECORD_MAX + b",2026-01-01 00:00:00,,,"
        made = csv_poison(tmp_path, poison)
    made.raw, made.is_whole = poison[:800], False
    made.check_stops(tmp_path, mode)
    made.check_kept(tmp_path, mode)


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize("kind", TYPED)
def test_typed_files(kind: str, form: str, mode: str, tmp_path: Path) -> None:
    good = {"id": 7, "at": 0}
    frame = pl.DataFrame([good, TYPED[kind], good], schema={"id": pl.Int64, "at": pl.Int64})
    frame = frame.with_columns(pl.col("at").cast(pl.Datetime("ms")))
    file = tmp_path / f"in.{form}"
    (frame.write_parquet if form == "parquet" else frame.write_ipc)(file)
    time = '"1970-01-01 00:00:00"' if TYPED[kind]["at"] is not None else "null"
    number = "null" if TYPED[kind]["id"] is None else "1"
    raw = f'{{"id":{number},"at":{time}}}'.encode()
    made = Poison(form, "id BIGINT NOT NULL, at TIMESTAMP(3)", file, 1, None, raw, unit="row")
    made.check_stops(tmp_path, mode)
    made.check_kept(tmp_path, mode)
    letter = tw.DeadLetters(tmp_path / "dead").rows().row(0, named=True)
    assert letter["form"] == "row"
    assert (letter["event_time"] is None) == (TYPED[kind]["at"] is None)


PYTHON: dict[str, Any] = {
    "a text for a number": {"id": "x", "d": 1},
    "beyond INT": {"id": 1 << 40, "d": 1},
    "no mapping": 5,
    "a text for a decimal": {"id": 1, "d": "x"},
}


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", PYTHON)
def test_rows_from_python(kind: str, mode: str, tmp_path: Path) -> None:
    good = {"id": 7, "d": 1}
    session, dead = tw.Session(parallelism=1), tmp_path / "dead"
    rows = session.from_iter([good, PYTHON[kind], good], "id INT, d DECIMAL(5, 2)", dead_letter=dead)
    rows.write_json(str(tmp_path / "good"))
    assert session.run(mode=mode).bad_count == 1
    letter = tw.DeadLetters(dead).rows().row(0, named=True)
    assert (letter["split"], letter["position"], letter["unit"]) == ("0", 1, "row")
    assert session.read_json(str(tmp_path / "good")).collect().height == 2


def test_there_are_fifty_kinds() -> None:
    assert len(JSON) + len(CSV) + 2 + 2 * len(TYPED) + len(PYTHON) >= 50
