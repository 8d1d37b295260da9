"""Records are found as Python's own reader finds them, however the text is cut."""

from __future__ import annotations

import csv
import io

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from thalweg.base.schema import Schema
from thalweg.connectors.text.csv import CsvOptions
from thalweg.connectors.text.csv_header import read_header, split_record
from thalweg.connectors.text.csv_records import find_records

FIELDS = st.lists(st.lists(st.text('ab,"\n', max_size=4), min_size=2, max_size=3), max_size=5)
HOSTILE = st.text('a,"\n', max_size=40)


def array(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def found(text: str) -> list[tuple[str, bool]]:
    """All records of a text, taken whole, and whether each is broken."""
    records = find_records(array(text), ord(","), ord('"'), is_last=True)
    assert records.taken == len(text)
    triples = zip(records.starts, records.ends, records.is_broken, strict=True)
    return [(text[start:end], bool(broken)) for start, end, broken in triples]


def found_in_cuts(text: str, sizes: list[int]) -> list[tuple[str, bool]]:
    """The same, with the text coming piece by piece."""
    seen: list[tuple[str, bool]] = []
    carry, place, turn = "", 0, 0
    while place < len(text) or carry:
        piece = text[place : place + sizes[turn % len(sizes)]]
        place, turn = place + len(piece), turn + 1
        is_last = place >= len(text)
        data = carry + piece
        records = find_records(array(data), ord(","), ord('"'), is_last=is_last)
        triples = zip(records.starts, records.ends, records.is_broken, strict=True)
        seen += [(data[start:end], bool(broken)) for start, end, broken in triples]
        carry = data[records.taken :]
        assert not (is_last and carry)
        if is_last:
            break
    return seen


@given(FIELDS, st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_what_python_writes_is_found(rows: list[list[str]], quoting: int) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    records = find_records(array(text.getvalue()), ord(","), ord('"'), is_last=True)
    assert not records.is_broken.any()
    parts = [text.getvalue()[s:e] for s, e in zip(records.starts, records.ends, strict=True)]
    assert [next(csv.reader(io.StringIO(part, newline=""))) for part in parts] == rows
    assert records.separators.tolist() == [len(row) - 1 for row in rows]


@given(HOSTILE, st.lists(st.integers(1, 9), min_size=1, max_size=4))
@example('"a\n"b\n', [3])
@example('a,"b"c\n"d,\n', [1])
def test_cuts_never_matter(text: str, sizes: list[int]) -> None:
    assert found_in_cuts(text, sizes) == found(text)


@given(HOSTILE)
def test_no_byte_is_lost(text: str) -> None:
    assert "".join(record for record, _ in found(text)) == text


def test_the_window_after_a_fault_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'a,b\nc"d,e\n' + 'f,"g\nh"\n' * 30 + 'i"\n' + "j,k\n" * 30
    whole = found(text)
    monkeypatch.setattr("thalweg.connectors.text.csv_records._WINDOW", 5)
    assert found(text) == whole
    assert [record for record, broken in whole if broken] == ['c"d,e\n', 'i"\n']


def test_records_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thalweg.connectors.text.csv_records.RECORD_MAX", 10)
    text = 'a,b\n"open\nand more,\nlines\nc,d\n' + "x" * 20 + "\ne,f\n"
    whole = found(text)
    assert [r for r, broken in whole if broken] == ['"open\n', "x" * 20 + "\n"]
    assert found_in_cuts(text, [7]) == whole


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ('"a",b\n', False),
        ('"a"\r\n', False),
        ('"a""b"\n', False),
        ('""\n', False),
        ('"a"b\n', True),
        ('a"b"\n', True),
        ('"a"\rb\n', True),
        ('"a\n', True),
        (' "a"\n', True),
    ],
)
def test_quotes(text: str, broken: bool) -> None:
    assert [b for _, b in found(text)] == [broken]


def test_without_quotes_every_line_is_a_record() -> None:
    records = find_records(array('a"\n"b\nc'), ord(","), None, is_last=True)
    assert records.ends.tolist() == [3, 6, 7]


def test_headers() -> None:
    declared = Schema.from_polars({"a": pl.Int64(), "b": pl.Int64()})
    assert read_header(b"\xef\xbb\xbfb,a\n1,2\n", declared, CsvOptions()).byte == 7
    assert read_header(b"", declared, CsvOptions()).columns == ("a", "b")
    assert read_header(b"x,y\n", declared, CsvOptions(has_header=True)).columns == ("x", "y")
    assert read_header(b"x,y\n", None, CsvOptions(has_header=False)).columns == ("f0", "f1")
    quoted = read_header(b'"a\n1",b\nx,y\n', None, CsvOptions())
    assert (quoted.columns, quoted.line) == (("a\n1", "b"), 3)
    assert split_record(b"'a;b';c\r\n", CsvOptions(separator=";", quote="'")) == ["a;b", "c"]
    assert split_record(b'"a,b\n', CsvOptions(quote=None)) == ['"a', "b"]
