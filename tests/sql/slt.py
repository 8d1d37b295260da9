"""Read golden SQL cases, and run them by name.

A file `<topic>.slt` begins with the tables and views that its cases share. A case is

    == name
    # by-hand: why the rows are these      (or `# oracle: duckdb`, for the case or for the whole file)
    CREATE TABLE t (a BIGINT, s STRING);   setup, if the case needs more than the file's tables
    | 1    | one |                         rows of that table; `| ---` begins another split
    | NULL | ''  |
    SELECT a FROM t                        the query: the last statement
    ----
    1                                      expected rows, in any order; cells are divided by ` | `
    NULL

Headers: `# mode: batch` or `stream` (without it: both), `# types:` of the columns, `# order: column` (a
stream publishes its batches in that order), `# error: code` instead of rows, `# oracle:`, `# by-hand:`.

    python -m tests.sql.slt [part of a name …] [--ways first|pairs|all] [--complete]

Reads:    the .slt files beside this one.
Changes:  with `--complete`, the rows of cases that DuckDB answers; those of others are written by hand.
Not here: values as text (slt_text.py), the ways to run (slt_ways.py), DuckDB (slt_duckdb.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent
HEADERS = ("mode", "types", "order", "error", "oracle", "by-hand")
CASE, RULE = "== ", "----"


class BadFile(Exception):
    """A file that is not written as the cases are."""


@dataclass(frozen=True)
class Statement:
    """One statement of a setup; a CREATE TABLE has the rows of its splits below it."""

    text: str
    splits: tuple[tuple[str, ...], ...] | None = None


@dataclass(frozen=True)
class Case:
    """One query and what must come out.

    Attributes:
        topic: the name of its file.
        name: what it shows; unique in the file.
        line: where it begins, from 1.
        headers: its own, laid over those of the file.
        setup: statements of the file, then its own.
        query: the statement whose outcome is looked at.
        expected: rows as text, sorted; None where there are none written.
    """

    topic: str
    name: str
    line: int
    headers: dict[str, str] = field(hash=False)
    setup: tuple[Statement, ...]
    query: str
    expected: tuple[str, ...] | None
    block: tuple[int, int] = field(default=(0, 0), compare=False)
    """The lines of the expectation, from 0, the end excluded."""

    @property
    def id(self) -> str:
        """What it is called on the command line."""
        return f"{self.topic}/{self.name.replace(' ', '-')}"

    @property
    def is_query(self) -> bool:
        """Whether it gives rows, and not words about a plan."""
        return not self.query.upper().startswith(("EXPLAIN", "DESCRIBE", "SHOW"))

    def has_mode(self, mode: str) -> bool:
        """Whether the case holds in a mode."""
        return self.headers.get("mode", mode) == mode

    def problems(self) -> Iterator[str]:
        """What keeps it from proving anything."""
        if not self.query:
            yield "an expectation without a query"
        if (self.expected is None) is ("error" not in self.headers):
            yield "it needs either rows below ---- or `# error: code`"
        is_vouched = self.headers.get("oracle", "none") == "duckdb" or "by-hand" in self.headers
        if not is_vouched and "error" not in self.headers:
            yield "nobody but the engine says that these rows are right: `# oracle:` or `# by-hand:`"
        for name, known in {"mode": ("batch", "stream"), "oracle": ("duckdb", "none")}.items():
            if self.headers.get(name, known[0]) not in known:
                yield f"`# {name}:` is one of {', '.join(known)}"


def read_file(path: Path) -> list[Case]:
    """All cases of a file.

    Raises:
        BadFile: something is not written as cases are.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(CASE)]
    if not starts or RULE in lines[: starts[0]]:
        raise BadFile(f"{path}: there is no case{', only an expectation' if RULE in lines else ''}")
    shared_headers, shared, _ = _head(lines[: starts[0]], path, 0)
    cases = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        cases.append(_case(path, lines, (start, end), (shared_headers, shared)))
    names = Counter(c.name for c in cases)
    twice = [n for n, count in names.items() if count > 1]
    if twice:
        raise BadFile(f"{path}: two cases are called {twice[0]}")
    return cases


def _case(
    path: Path, lines: list[str], place: tuple[int, int], shared: tuple[dict[str, str], list[Statement]]
) -> Case:
    start, end = place
    rule = next((i for i in range(start, end) if lines[i] == RULE), None)
    headers, setup, query = _head(lines[start + 1 : end if rule is None else rule], path, start + 1)
    if not setup and not query:
        raise BadFile(f"{path}:{start + 1}: a case without a query")
    last = end
    while rule is not None and last > rule + 1 and not lines[last - 1].strip():
        last -= 1
    found = None if rule is None else tuple(sorted(lines[rule + 1 : last]))
    inherited = {} if "error" in headers else shared[0]
    return Case(
        topic=path.stem,
        name=lines[start].removeprefix(CASE).strip(),
        line=start + 1,
        headers=inherited | headers,
        setup=(*shared[1], *setup),
        query=query,
        expected=found,
        block=(0, 0) if rule is None else (rule + 1, last),
    )


def _head(lines: Sequence[str], path: Path, first: int) -> tuple[dict[str, str], list[Statement], str]:
    """Headers, finished statements, and the text after the last of them."""
    headers: dict[str, str] = {}
    made: list[Statement] = []
    text: list[str] = []
    for number, line in enumerate(lines, first + 1):
        if line.startswith("#"):
            name, colon, value = line.removeprefix("#").partition(":")
            if colon and name.strip() in HEADERS:
                headers[name.strip()] = value.strip()
        elif line.startswith("|"):
            if text or not made:
                raise BadFile(f"{path}:{number}: rows follow CREATE TABLE …;")
            made[-1] = _with_row(made[-1], line)
        elif line.strip():
            text.append(line)
            if line.endswith(";"):
                made.append(Statement("\n".join(text).removesuffix(";")))
                text = []
    return headers, made, "\n".join(text)


def _with_row(statement: Statement, line: str) -> Statement:
    splits = statement.splits or ((),)
    if line.startswith("| ---"):
        return Statement(statement.text, (*splits, ()))
    return Statement(statement.text, (*splits[:-1], (*splits[-1], line.strip().strip("|").strip())))


def all_cases() -> list[Case]:
    """Every case of every file, in order."""
    return [case for path in sorted(FOLDER.glob("*.slt")) for case in read_file(path)]


def complete(cases: Sequence[Case], folder: Path) -> int:
    """Write what DuckDB answers below the cases that it answers; how many changed."""
    from tests.sql.slt_duckdb import answer

    changed = 0
    for path in sorted({FOLDER / f"{c.topic}.slt" for c in cases}):
        lines = path.read_text(encoding="utf-8").splitlines()
        for case in sorted((c for c in cases if c.topic == path.stem), key=lambda c: -c.line):
            rows = answer(case, folder)
            if rows is None or sorted(rows) == list(case.expected or ()):
                continue
            start, end = case.block
            assert start, f"{case.id}: ---- marks where the rows go"
            lines[start:end] = rows
            changed += 1
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return changed


def main(arguments: Sequence[str]) -> int:
    """Run cases; the number of failures."""
    from tests.sql.slt_duckdb import skipped_by
    from tests.sql.slt_ways import WAYS, check

    parser = argparse.ArgumentParser(prog="python -m tests.sql.slt")
    parser.add_argument("names", nargs="*", help="parts of names")
    parser.add_argument("--ways", choices=sorted(WAYS), default="first")
    parser.add_argument("--complete", action="store_true", help="take expectations from DuckDB")
    options = parser.parse_args(arguments)
    wanted = [c for c in all_cases() if not options.names or any(n in c.id for n in options.names)]
    began, runs, failed = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as name:
        if options.complete:
            print(f"{complete(wanted, Path(name))} expectations taken from DuckDB")
            wanted = [c for c in all_cases() if c.id in {w.id for w in wanted}]
        for case in wanted:
            for way in WAYS[options.ways](case):
                runs += 1
                problem = check(case, way, Path(name))
                if problem:
                    failed += 1
                    print(f"{case.topic}.slt:{case.line}: {case.name}, {way}\n{problem}\n")
    print(f"{len(wanted)} cases, {runs} runs, {failed} failures, {time.monotonic() - began:.1f} s")
    for rule, count in sorted(Counter(skipped_by(c) or "asked" for c in wanted).items()):
        print(f"  DuckDB {'was asked' if rule == 'asked' else 'skipped, ' + rule}: {count}")
    return failed


if __name__ == "__main__":
    from tests.sql.slt import main as run_cases  # under its own name, so that there is one class Case

    sys.exit(min(1, run_cases(sys.argv[1:])))
