"""The look-up kit rejects every broken table, naming the line, and accepts one that is right."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.kit import broken_lookups as shelf
from thalweg.connectors.files.source import file_source
from thalweg.testing import LINES, ConformanceError, check_lookup


def check(make: object) -> None:
    table = make()  # type: ignore[operator]

    def change() -> pl.DataFrame:
        table.replace(shelf.LATER)
        return shelf.LATER

    check_lookup(lambda: table, shelf.FRAME, ["k"], change)


@pytest.mark.parametrize("broken", shelf.SHELF, ids=repr)
def test_a_broken_table_is_rejected(broken: shelf.Broken) -> None:
    with pytest.raises(ConformanceError) as caught:
        check(broken.make)
    assert caught.value.line.id == broken.line, str(caught.value)


def test_every_line_has_a_broken_table() -> None:
    assert {b.line for b in shelf.SHELF} == {line for line in LINES if line[0] == "K"}


def test_a_table_that_keeps_its_contract_is_accepted() -> None:
    check(shelf.KeyTwin)
    check_lookup(shelf.KeyTwin, shelf.FRAME, ["k", "s"])


def test_files_have_versions(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    shelf.LATER.write_csv(path)

    def change() -> pl.DataFrame:
        shelf.LATER[:1].write_csv(path)
        return shelf.LATER[:1]

    check_lookup(lambda: file_source(str(path)), shelf.LATER, ["k"], change)
