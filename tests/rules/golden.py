"""Read the golden cases of the optimizer's rules, build their plans, and print them.

A file `<rule>.test` holds cases of the rule of that name:

    == name of the case
    # rules: another_rule, this_rule        (only where several are needed)
    FROM t                                  the plan, one step per line:
    WHERE a > 1                             a filter
    SELECT a, b FROM input                  any query; `input` is what the lines above made
    FILTER a > 1                            a filter as the fluent API makes it, whatever is below
    WATERMARK ts - INTERVAL '5' SECOND      the event time ts
    TUMBLE 10                               windows on ts, in seconds; HOP 10 2
    KEY a, b                                columns that no two rows have the same values in
    EXPLODE tags    LIMIT 3    MAP odd      further steps
    LATE                                    the rows that the window turned away
    AS name                                 a name that later lines can read by
    ROOT                                    a result of its own; the last step is one without saying so
    ----
    the plans before
    ----
    the plans after, or `same as above`

    python -m tests.rules.golden            prints all plans anew, for review

Not here: whether results are equal (test_goldens.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tests.rules.tables import FUNCTIONS, odd, table
from thalweg.errors import PlanError, Span
from thalweg.expr.nodes import PythonFunction
from thalweg.optimizer.explain import explain_plans
from thalweg.optimizer.optimize import Rule, optimize
from thalweg.optimizer.standard import RULES
from thalweg.plan import build
from thalweg.plan.keys import declare_key
from thalweg.plan.nodes import FrameFunction, Late, MapBatches, Plan
from thalweg.progress.windows import WindowSpec
from thalweg.sql.binder import Binder
from thalweg.sql.parse import parse
from thalweg.sql.statements import Query

FOLDER = Path(__file__).parent
LINE = "----\n"
SECOND = 1_000_000
BY_NAME: dict[str, Rule] = {r.__name__: r for r in RULES}


@dataclass(frozen=True)
class Case:
    """One plan, and what the rules make of it."""

    rule: str
    name: str
    lines: tuple[str, ...]
    before: str
    after: str

    @property
    def rules(self) -> list[Rule]:
        """The rules to apply."""
        named = [line.removeprefix("# rules:") for line in self.lines if line.startswith("# rules:")]
        return [BY_NAME[n.strip()] for n in named[0].split(",")] if named else [BY_NAME[self.rule]]

    def roots(self) -> list[Plan]:
        """The plans as they are written."""
        return Builder().run([line for line in self.lines if not line.startswith("#")])

    def optimized(self) -> list[Plan]:
        """The plans after the rules."""
        return optimize(self.roots(), self.rules)[0]

    def printed(self) -> tuple[str, str]:
        """The plans before and after, as text."""
        before, after = explain_plans(self.roots()), explain_plans(self.optimized())
        return before, "same as above" if after == before else after


def read(path: Path) -> list[Case]:
    """The cases of a file."""
    cases = []
    for block in path.read_text(encoding="utf-8").split("== ")[1:]:
        head, before, after = [*block.split(LINE), "", ""][:3]
        name, *lines = head.strip().splitlines()
        cases.append(Case(path.stem, name, tuple(lines), before.strip(), after.strip()))
    return cases


def written(cases: Sequence[Case]) -> str:
    """The text of a file, with the plans printed anew."""
    blocks = []
    for case in cases:
        head = "\n".join((f"== {case.name}", *case.lines))
        before, after = case.printed()
        blocks.append(f"{head}\n{LINE}{before}\n{LINE}{after}\n")
    return "\n".join(blocks)


class Builder:
    """Carries out the lines of a case; stands in as the catalog of their queries."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}
        self.named: dict[str, Plan] = {"t": table()}
        self.roots: list[Plan] = []

    def table(self, name: str, span: Span | None) -> Plan:
        if name not in self.named:
            raise PlanError(f'there is no table "{name}"', code="plan-unknown-table", where=span)
        return self.named[name]

    def path_table(self, path: str, span: Span | None) -> Plan:
        raise AssertionError("these tests read no files")

    def function(self, name: str) -> PythonFunction | None:
        return FUNCTIONS.get(name.lower())

    def run(self, lines: Sequence[str]) -> list[Plan]:
        """The roots that the lines make."""
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "ROOT":
                self.roots.append(self.named.pop("input"))
            elif word == "AS":
                self.named[rest] = self.named["input"]
            else:
                self.named["input"] = self._step(word, rest)
        return [*self.roots, *([self.named["input"]] if "input" in self.named else [])]

    def _step(self, word: str, rest: str) -> Plan:
        if word == "FROM":
            return self.named[rest]
        if word in ("SELECT", "WHERE"):
            return self.query(f"{word} {rest}" if word == "SELECT" else f"SELECT * FROM input WHERE {rest}")
        return _STEPS[word](self, self.named["input"], rest)

    def query(self, text: str) -> Plan:
        """The plan of a query."""
        (statement,) = parse(text)
        assert isinstance(statement, Query), "a line is a query"
        return Binder(self).bind_query(statement.query)  # type: ignore[arg-type]

    def watermark(self, plan: Plan, rest: str) -> Plan:
        """`ts` as event time."""
        (item,) = self.query(f"SELECT {rest} AS mark FROM input").items  # type: ignore[attr-defined]
        return build.assign_watermark(plan, "ts", item.expr)

    def filter(self, plan: Plan, rest: str) -> Plan:
        """The rows for which a condition is true."""
        (item,) = self.query(f"SELECT {rest} AS found FROM input").items  # type: ignore[attr-defined]
        return build.filter_rows(plan, item.expr)


def _window(plan: Plan, rest: str) -> Plan:
    sizes = [int(n) * SECOND for n in rest.split()]
    spec = WindowSpec.tumbling(*sizes) if len(sizes) == 1 else WindowSpec.hopping(*sizes)
    return build.window(plan, "ts", spec)


_STEPS: dict[str, Callable[[Builder, Plan, str], Plan]] = {
    "FILTER": Builder.filter,
    "WATERMARK": Builder.watermark,
    "TUMBLE": lambda _, plan, rest: _window(plan, rest),
    "HOP": lambda _, plan, rest: _window(plan, rest),
    "EXPLODE": lambda _, plan, rest: build.explode(plan, rest),
    "KEY": lambda _, plan, rest: declare_key(plan, rest.split(", ")),
    "LIMIT": lambda _, plan, rest: build.limit(plan, int(rest)),
    "LATE": lambda _, plan, rest: Late(plan),
    "MAP": lambda _, plan, rest: MapBatches(plan, FrameFunction(rest, odd), plan.schema),
}

FILES = sorted(FOLDER.glob("*.test"))
CASES = [case for path in FILES for case in read(path)]

if __name__ == "__main__":
    pl.Config.set_tbl_rows(5)
    for path in FILES:
        path.write_text(written(read(path)), encoding="utf-8")
