"""Golden SQL cases hold in many ways, and are answered by somebody other than the engine.

The cases are the .slt files beside this file; how they are written says slt.py. Each runs in a few ways,
which take turns from case to case; with `--thorough` in all pairs of ways; with `make sql-all` in all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from tests.sql.slt import BadFile, Case, all_cases, complete, read_file
from tests.sql.slt_duckdb import MACROS, REWRITES, SKIPS, answer, rewritten, skipped_by
from tests.sql.slt_text import read_value, value_text
from tests.sql.slt_ways import AXES, WAYS, SltWay, check, difference, fold, pairwise, prepared
from thalweg.base.types import FLOAT64, INT64, STRING, TIMESTAMP

CASES = all_cases()
ASKED = [c for c in CASES if c.headers.get("oracle") == "duckdb"]
GOOD = """# by-hand: one row
CREATE TABLE t (a BIGINT);
| 1 |
| 2 |
== sum
SELECT SUM(a) FROM t
----
3
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tables of the cases are."""
    return tmp_path_factory.mktemp("slt")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which cases run in which ways."""
    if metafunc.function is test_case:
        ways = WAYS["pairs" if metafunc.config.getoption("--thorough") else "turns"]
        runs = [pytest.param(c, w, id=f"{c.id}-{w}") for c in CASES for w in ways(c)]
        metafunc.parametrize(("case", "way"), runs)


def test_case(case: Case, way: SltWay, folder: Path) -> None:
    problem = check(case, way, folder)
    if problem:
        pytest.fail(f"{case.topic}.slt:{case.line}: {case.name}, {way}\n{problem}", pytrace=False)


@pytest.mark.parametrize("case", ASKED, ids=lambda c: c.id)
def test_duckdb_answers_the_same(case: Case, folder: Path) -> None:
    rule = skipped_by(case)
    if rule is not None:
        assert "by-hand" in case.headers, f"DuckDB is not asked ({rule}), so that `# by-hand:` is needed"
        pytest.skip(f"DuckDB: {rule}")
    rows = answer(case, folder)
    assert difference(case.expected or (), rows or []) == ""


def test_every_case_can_fail() -> None:
    wrong = [f"{c.topic}.slt:{c.line}: {problem}" for c in CASES for problem in c.problems()]
    assert wrong == []
    assert len(CASES) >= 300


def test_every_rule_is_needed() -> None:
    texts = [t for c in ASKED for t in (c.query, *(s.text for s in c.setup))]
    unused = [r.name for r in REWRITES if all(r.apply(t) == t for t in texts)]
    assert unused == []
    assert [m for m in MACROS if not any(f"{m.partition('(')[0]}(" in t.lower() for t in texts)] == []
    assert set(SKIPS) == {skipped_by(c) for c in ASKED} - {None}


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.is_query and "error" not in c.headers], ids=lambda c: c.id
)
def test_every_query_can_be_explained(case: Case, folder: Path) -> None:
    session, outcome, _ = prepared(case, folder)
    assert outcome.plan is not None
    text = session.explain(outcome.plan)
    assert text.index("== plan ==") < text.index("== job ==")


# The kit rejects what is wrong --------------------------------------------------------------------------


def one_case(tmp_path: Path, text: str) -> Case:
    path = tmp_path / "some.slt"
    path.write_text(text, encoding="utf-8")
    return read_file(path)[0]


def test_a_good_case_holds(tmp_path: Path) -> None:
    case = one_case(tmp_path, GOOD)
    assert list(case.problems()) == []
    assert [check(case, w, tmp_path) for w in (SltWay(), SltWay("stream"))] == ["", ""]


@pytest.mark.parametrize("way", [SltWay(), SltWay("stream", checkpoint="rescale")], ids=str)
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("----\n3", "----\n4", "missing:  4\n  too many: 3"),
        ("----\n3", "----\n3\n3", "missing:  3"),
        ("----\n3", "----", "too many: 3"),
        ("SELECT SUM", "# types: INT\nSELECT SUM", "found:    # types: BIGINT"),
        ("SELECT SUM(a)", "SELECT SUM(z)", "plan-unknown-column"),
        (
            "SELECT SUM(a) FROM t\n----\n3",
            "# error: sql-syntax\nSELECT SUM(a) FROM t",
            "the error sql-syntax",
        ),
        ("SELECT SUM(a) FROM t\n----\n3", "# error: sql-syntax\nSELECT z FROM t", "plan-unknown-column"),
    ],
    ids=["row", "twice", "none", "types", "no error", "rows", "another error"],
)
def test_wrong_cases_fail(tmp_path: Path, way: SltWay, old: str, new: str, told: str) -> None:
    assert told in check(one_case(tmp_path, GOOD.replace(old, new)), way, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("# by-hand: one row\n", "", "nobody but the engine"),
        ("----\n3\n", "", "rows below ----"),
        ("== sum\n", "== sum\n# error: sql-syntax\n", "rows below ----"),
        ("SELECT SUM(a) FROM t\n", "CREATE VIEW v AS SELECT 1;\n", "without a query"),
        ("== sum\n", "== sum\n# mode: both\n", "one of batch, stream"),
    ],
    ids=["no origin", "no rows", "rows and error", "no query", "no such mode"],
)
def test_cases_that_prove_nothing_are_found(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert told in " ".join(one_case(tmp_path, GOOD.replace(old, new)).problems())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace("== sum\n", ""), "no case"),
        (GOOD.replace("== sum\n", "----\n1\n== sum\n"), "only an expectation"),
        (GOOD + GOOD[GOOD.index("==") :], "two cases are called sum"),
        (GOOD.replace("SELECT SUM(a) FROM t\n", ""), "without a query"),
        (GOOD.replace("CREATE TABLE t (a BIGINT);\n", ""), "rows follow CREATE TABLE"),
    ],
    ids=["no case", "rows only", "twice", "empty", "no table"],
)
def test_files_that_are_no_files_of_cases(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadFile, match=told):
        one_case(tmp_path, text)


def test_an_unknown_table_is_no_rows(tmp_path: Path) -> None:
    case = one_case(tmp_path, GOOD)
    assert "plan-unknown-table" in check(replace(case, setup=()), SltWay(), tmp_path)


def test_a_change_must_remove_a_row_that_is_there() -> None:
    assert fold([(1, [("a", 1)]), (2, [("a", -1), ("b", 1)])]) == Counter({"b": 1, "a": 0})
    with pytest.raises(AssertionError, match="cut 2 removes a row that is not there: b"):
        fold([(1, [("a", 1)]), (2, [("b", -1)]), (3, [("b", 1)])])


def test_expectations_are_taken_from_duckdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.sql.slt.FOLDER", tmp_path)
    wrong = GOOD.replace("# by-hand: one row", "# oracle: duckdb").replace("----\n3", "----\n4")
    case = one_case(tmp_path, wrong)
    assert complete([case], tmp_path) == 1
    assert (tmp_path / "some.slt").read_text() == wrong.replace("----\n4", "----\n3")


def test_expectations_by_hand_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.sql.slt.FOLDER", tmp_path)
    wrong = GOOD.replace("----\n3", "----\n4")
    assert complete([one_case(tmp_path, wrong)], tmp_path) == 0
    assert (tmp_path / "some.slt").read_text() == wrong


# Values, pairs, rewrites --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("NULL", STRING),
        ("'NULL'", STRING),
        ("''", STRING),
        ("' x '", STRING),
        ("it's", STRING),
        ("-5", INT64),
        ("1.5", FLOAT64),
        ("nan", FLOAT64),
        ("2026-01-31 23:59:59.125", TIMESTAMP),
    ],
)
def test_values_read_as_they_are_written(text: str, held: object) -> None:
    assert value_text(read_value(text, held)) == text


def test_every_two_values_meet() -> None:
    chosen = pairwise(AXES)
    met = {pair for c in chosen for pair in combinations(c.items(), 2)}
    wanted = {((a, x), (b, y)) for a, b in combinations(AXES, 2) for x in AXES[a] for y in AXES[b]}
    assert met == wanted
    assert len(chosen) <= 10


def test_windows_are_written_out_for_duckdb() -> None:
    text = "FROM TABLE(HOP(TABLE t, DESCRIPTOR(at), INTERVAL '5' SECOND, INTERVAL '10' SECOND))"
    assert "time_bucket(INTERVAL '5' SECOND, at, TIMESTAMP '1970-01-01')" in rewritten(text)
