"""Compose random SQL with queries inside queries, over rows that stay and over results that change.

The text is the same for DuckDB, which answers it in its own way: what is compared is the meaning of the text,
not of the plan that the binder makes of it.

Not here: random plans (plans.py), running them (harness.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import duckdb
import polars as pl

from tests.property.plans import Case
from tests.property.recording import Table, canonical
from tests.property.worlds import SCHEMA, PacedSource, World, random_world
from thalweg.errors import Span
from thalweg.expr.nodes import PythonFunction
from thalweg.plan.nodes import Plan, Scan
from thalweg.sql.binder import Binder
from thalweg.sql.parse import parse
from thalweg.sql.statements import Query

VIEWS = {
    "counted": "SELECT MAX(id) AS id, k, MIN(s) AS s, COUNT(*) AS v FROM one GROUP BY k",
    "summed": "SELECT MIN(id) AS id, COUNT(*) AS k, s, SUM(k) AS v FROM two GROUP BY s",
}
"""Results that change as rows come, with the columns of the sources."""
SOURCES = ("one", "two")
TABLES = (*SOURCES, *VIEWS)
NUMBERS = ("id", "k", "k", "v")


@dataclass
class QueryCase:
    """A query over two sources, and what the engine makes of it."""

    text: str
    case: Case
    sources: Mapping[str, PacedSource]

    def answer(self, frames: Mapping[int, Sequence[pl.DataFrame]] | None = None) -> Table:
        """The rows, by DuckDB; `frames` are other rows of the sources, by their identity."""
        with duckdb.connect() as connection:
            for name, source in self.sources.items():
                rows = source.frames if frames is None else frames.get(id(source), source.frames)
                connection.register(name, pl.concat([pl.DataFrame(schema=SCHEMA), *rows]))
            for name, text in VIEWS.items():
                connection.execute(f"CREATE VIEW {name} AS {text}")
            return Counter(tuple(map(canonical, row)) for row in connection.execute(self.text).fetchall())

    def __repr__(self) -> str:
        sizes = [[f.height for f in w.frames] for w in self.case.worlds]
        return f"splits of {sizes} rows\n{self.text}\n{self.case.roots[0]!r}"


@dataclass(frozen=True)
class _Catalog:
    """The sources and views by name."""

    plans: dict[str, Plan] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    def table(self, name: str, where: Span | None) -> Plan:
        assert name in self.plans, f"no table {name} at {where}"
        return self.plans[name]

    def path_table(self, path: str, where: Span | None) -> Plan:
        raise AssertionError(f"{path}, at {where}, is no table of a random query")

    def function(self, name: str) -> PythonFunction | None:
        return None


def random_query_case(r: Random) -> QueryCase:
    """A random query over two small sources."""
    worlds = (_world(r, [0, 5, 12, 30, 30]), _world(r, [0, 3, 8, 12, 12]))
    sources = {n: PacedSource(w.frames, n) for n, w in zip(TABLES, worlds, strict=False)}
    text = _Writer(r).query()
    catalog = _Catalog({name: Scan(source) for name, source in sources.items()})
    for name, view in VIEWS.items():
        catalog.plans[name] = _plan(view, catalog)
    return QueryCase(text, Case(worlds, (_plan(text, catalog),)), sources)


def _world(r: Random, sizes: Sequence[int]) -> World:
    return random_world(r, is_punctual=True, sizes=[r.choice(sizes) for _ in range(r.choice([1, 2]))])


def _plan(text: str, catalog: _Catalog) -> Plan:
    (statement,) = parse(text)
    assert isinstance(statement, Query), "one query"
    return Binder(catalog).bind_query(statement.query)


class _Writer:
    """Writes random queries; every table gets an alias of its own."""

    def __init__(self, r: Random) -> None:
        self._r = r
        self._count = 0

    def query(self) -> str:
        """A whole query."""
        return self._r.choice([self._rows, self._rows, self._groups, self._sums, self._joined])()

    def _table(self) -> tuple[str, str]:
        """A table, the first rows of one, or one with a row for each item of its lists; and its alias."""
        self._count += 1
        alias = f"t{self._count}"
        made = self._r.choice(["table"] * 6 + ["first", "first", "items"])
        if made == "items":
            kind, source = self._r.choice(["CROSS JOIN", "LEFT JOIN"]), self._r.choice(SOURCES)
            on = " ON TRUE" if kind == "LEFT JOIN" else ""
            items = f"{source} AS o {kind} UNNEST(o.xs) WITH ORDINALITY AS u (x, n){on}"
            return f"(SELECT o.id, u.x AS k, o.s, u.n AS v FROM {items}) AS {alias}", alias
        table = self._r.choice(TABLES)
        if made == "first":
            # an id tells the rows of a table apart
            order = self._order([self._r.choice(["k", "s", "v"]), "id"])
            return f"(SELECT id, k, s, v FROM {table}{order}) AS {alias}", alias
        return f"{table} AS {alias}", alias

    def _order(self, columns: Sequence[str], *, has_end: bool = False) -> str:
        """The first rows by some columns, or all of them in an order, which says nothing inside a query."""
        ways = (("ASC", "DESC"), ("NULLS FIRST", "NULLS LAST"))
        keys = ", ".join(" ".join((c, *map(self._r.choice, ways))) for c in columns)
        limit = f" LIMIT {self._r.choice([1, 3, 10])}{self._r.choice(['', '', ' OFFSET 2'])}"
        return f" ORDER BY {keys}{limit if has_end or self._r.random() < 0.8 else ''}"

    # Whole queries -----------------------------------------------------------------------------

    def _rows(self) -> str:
        table, t = self._table()
        names = [f"c{i}" for i in range(self._r.choice([1, 2, 3]))]
        items = ", ".join(f"{self._item(t)} AS {name}" for name in names)
        where = f" WHERE {self._condition(t, 2)}" if self._r.random() < 0.7 else ""
        # rows that tie in every column are alike; all rows in an order would wait for the end
        order = self._order([*names, "id"], has_end=True) if self._r.random() < 0.2 else ""
        return f"SELECT {t}.id, {items} FROM {table}{where}{order}"

    def _groups(self) -> str:
        table, t = self._table()
        where = f" WHERE {self._condition(t, 1)}" if self._r.random() < 0.3 else ""
        having = ""
        if self._r.random() < 0.6:
            value = self._r.choice(
                [f"COUNT(*) > ({self._value(None)})", f"SUM({t}.v) < ({self._value(None)})"]
            )
            more = self._r.choice([self._member(f"{t}.k", None), self._member(f"MAX({t}.v)", None)])
            having = f" HAVING {value} {self._r.choice(['AND', 'OR'])} {more}"
        item = f"({self._value(f'{t}', only='k')})" if self._r.random() < 0.6 else f"({self._value(None)})"
        return f"SELECT {t}.k, COUNT(*) AS n, {item} AS q FROM {table}{where} GROUP BY {t}.k{having}"

    def _sums(self) -> str:
        table, t = self._table()
        counted = f"SUM(CASE WHEN {self._condition(t, 1)} THEN 1 ELSE 0 END)"
        return f"SELECT {counted} AS n, MAX({t}.v) - ({self._value(None)}) AS d FROM {table}"

    def _joined(self) -> str:
        (one, t), (two, u) = self._table(), self._table()
        kind = self._r.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        asked = self._r.choice([t, u])
        # a condition that is asked for both sides cannot be
        inside = self._member(f"{asked}.k", asked if self._r.random() < 0.5 else None)
        on = f"{t}.k = {u}.k AND {self._r.choice([f'{t}.v < {u}.v', inside])}"
        if self._r.random() < 0.3:
            three, w = self._table()
            two = f"({two} LEFT JOIN {three} ON {u}.k = {w}.v)"
        where = f" WHERE {self._condition(t, 1)}" if self._r.random() < 0.5 else ""
        return f"SELECT {t}.id, {u}.id AS other FROM {one} {kind} {two} ON {on}{where}"

    # Expressions -------------------------------------------------------------------------------

    def _item(self, t: str) -> str:
        made = self._r.choice(["column", "value", "value", "condition", "case", "coalesce"])
        if made == "column":
            return f"{t}.{self._r.choice(NUMBERS)}"
        if made == "condition":
            return f"({self._member(f'{t}.{self._r.choice(NUMBERS)}', t)})"
        if made == "case":
            return f"CASE WHEN {self._condition(t, 1)} THEN {t}.v ELSE -1 END"
        value = f"({self._value(self._r.choice([t, t, None]))})"
        return f"COALESCE({value}, 0)" if made == "coalesce" else value

    def _condition(self, t: str, depth: int) -> str:
        """A condition on a row of `t`, with queries in it."""
        if depth and self._r.random() < 0.5:
            parts = [self._condition(t, depth - 1) for _ in range(2)]
            made = f"({parts[0]} {self._r.choice(['AND', 'OR'])} {parts[1]})"
            return f"NOT {made}" if self._r.random() < 0.3 else made
        around = self._r.choice([t, t, None])
        number = f"{t}.{self._r.choice(NUMBERS)}"
        compared = self._r.choice(["<", ">", "=", "<>"])
        kinds: list[Callable[[], str]] = [
            lambda: f"{number} {compared} ({self._value(around)})",
            lambda: self._member(number, around),
            lambda: f"({self._member(f'{t}.k', around)}) IS NULL",
            lambda: f"{self._r.choice(['', 'NOT '])}EXISTS ({self._set(around, '1')})",
            lambda: f"{number} > {self._r.choice([0, 2, 10])}",
        ]
        return self._r.choice(kinds)()

    def _member(self, value: str, around: str | None) -> str:
        asked = self._r.choice(["IN", "NOT IN", "IN", "NOT IN", "ANY", "ALL"])
        if asked in ("ANY", "ALL"):
            asked = f"{self._r.choice(['<', '>=', '=', '<>'])} {asked}"
        return f"{value} {asked} ({self._set(around, None)})"

    # Queries inside ----------------------------------------------------------------------------

    def _set(self, around: str | None, item: str | None) -> str:
        """A query of one column."""
        table, x = self._table()
        item = item or f"{x}.{self._r.choice(NUMBERS)}"
        shape = self._r.choice(["rows", "rows", "rows", "groups", "union", "first"])
        if shape == "first" and around is None:
            return f"SELECT {item} AS y FROM {table}{self._order(['y'])}"
        if shape == "union" and around is None:
            other, y = self._table()
            return f"SELECT {x}.k FROM {table} WHERE {x}.v > 5 UNION ALL SELECT {y}.v FROM {other}"
        where = self._where(x, around)
        if shape == "groups":
            return (
                f"SELECT {x}.k FROM {table}{where} GROUP BY {x}.k HAVING COUNT(*) > {self._r.choice([0, 1])}"
            )
        return f"SELECT {item} FROM {table}{where}"

    def _value(self, around: str | None, only: str | None = None) -> str:
        """A query of one value; `only` is the one column that it may name of the table around it."""
        table, x = self._table()
        where = self._where(x, around, only)
        column = f"{x}.{self._r.choice(NUMBERS)}"
        shape = self._r.choice(["plain", "plain", "plain", "first", "distinct", "outer", "groups"])
        if shape == "first":
            return f"SELECT {column} AS y FROM {table}{where} ORDER BY y DESC NULLS LAST LIMIT 1"
        if shape == "distinct" and around is not None:
            return f"SELECT DISTINCT {x}.k FROM {table} WHERE {x}.k = {around}.k"
        if shape == "outer" and around is not None:
            outer = f"{around}.{only or self._r.choice(NUMBERS)}"
            return f"SELECT COUNT(*) + MAX({x}.k + {outer}) FROM {table}{where}"
        if shape == "groups" and around is None:
            return f"SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM {table}{where} GROUP BY {x}.s) AS g"
        calls = ("COUNT(*)", f"COUNT(DISTINCT {column})", f"MAX({column})", f"MIN({column})", f"SUM({x}.k)")
        return (
            f"SELECT {self._r.choice([*calls, f'COUNT(*) + COALESCE(MIN({column}), 7)'])} FROM {table}{where}"
        )

    def _where(self, x: str, around: str | None, only: str | None = None) -> str:
        parts = []
        if around is not None:
            parts += [self._belongs(x, around, only) for _ in range(self._r.choice([1, 1, 2]))]
        if self._r.random() < 0.4:
            parts.append(self._r.choice([f"{x}.v > 5", f"{x}.k IN (1, 2, 3)", f"{x}.s IS NOT NULL"]))
        if self._r.random() < 0.15:
            parts.append(self._condition(x, 0))
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def _belongs(self, x: str, around: str, only: str | None) -> str:
        """A condition on a row and the row around it."""
        mine, outer = f"{x}.{self._r.choice(NUMBERS)}", f"{around}.{only or self._r.choice(NUMBERS)}"
        equal = [f"{x}.k = {outer}", f"{outer} = {mine}", f"{mine} + 1 = {outer}"]
        if only is None:
            equal.append(f"{x}.s = {around}.s")
        other = [f"{mine} > {outer}", f"{mine} <> {outer}", f"({mine} = {outer} OR {x}.k > {outer})"]
        other += [
            f"{x}.k IS NOT DISTINCT FROM {outer}",
            f"{outer} > 2",
            f"({outer} IS NULL OR {mine} < {outer})",
        ]
        return self._r.choice(equal if self._r.random() < 0.6 else other)


__all__ = ["QueryCase", "random_query_case"]
