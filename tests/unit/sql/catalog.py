"""An in-memory catalog for tests: tables from their definitions, views from their queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from thalweg.base.schema import Schema
from thalweg.base.types import INT64, STRING, Field
from thalweg.errors import PlanError, Span, did_you_mean
from thalweg.expr.nodes import PythonFunction
from thalweg.plan.nodes import Plan, Scan
from thalweg.sql.binder import Binder
from thalweg.sql.parse import parse
from thalweg.sql.statements import ComputedColumn, CreateTable, CreateView, InsertInto, Query


@dataclass(frozen=True)
class FakeSource:
    """A source that only has a schema."""

    name: str
    columns: Schema

    is_bounded = True
    replay = "exact"
    is_ordered = False
    is_live = False

    @property
    def schema(self) -> Schema:
        return self.columns

    def describe(self) -> str:
        return self.name

    def splits(self):
        return ()

    def open(self, split, position, fields):
        raise AssertionError("nothing is read in these tests")


class FakeCatalog:
    """Carries out CREATE TABLE and CREATE VIEW; knows the function `count_char`."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}
        self.plans: dict[str, Plan] = {}
        self.targets: dict[str, Schema] = {}
        self.functions = {"count_char": PythonFunction("count_char", str.count, INT64)}

    def copy(self) -> FakeCatalog:
        """A catalog that starts with the same tables."""
        made = FakeCatalog()
        made.plans, made.targets = dict(self.plans), dict(self.targets)
        return made

    def table(self, name: str, span: Span | None) -> Plan:
        if name not in self.plans:
            raise PlanError(
                f'there is no table "{name}"',
                code="plan-unknown-table",
                where=span,
                choices=sorted(self.plans),
                hint=did_you_mean(name, sorted(self.plans)),
            )
        return self.plans[name]

    def path_table(self, path: str, span: Span | None) -> Plan:
        return Scan(FakeSource(path, Schema((Field("path", STRING),))))

    def function(self, name: str) -> PythonFunction | None:
        return self.functions.get(name.lower())

    def run(self, text: str) -> list[Plan]:
        """The plans of the queries and INSERTs of a text, after its definitions."""
        found: list[Plan] = []
        binder = Binder(self)
        for statement in parse(text):
            if isinstance(statement, CreateTable):
                physical = [c for c in statement.columns if not isinstance(c, ComputedColumn)]
                schema = Schema(tuple(Field(c.name, c.type) for c in physical))
                scan = Scan(FakeSource(statement.name, schema))
                self.plans[statement.name] = binder.bind_table(statement, scan)
                self.targets[statement.name] = schema
            elif isinstance(statement, CreateView):
                self.plans[statement.name] = binder.bind_view(statement)
            elif isinstance(statement, InsertInto):
                self.table(statement.target, statement.target_span)
                found.append(binder.bind_insert(statement, self.plans[statement.target].schema))
            elif isinstance(statement, Query):
                found.append(binder.bind_query(statement.query))
        return found


def tree(plan: Plan) -> str:
    """The plan as indented lines, the last step first."""

    def lines(step: Plan, depth: int) -> Sequence[str]:
        own = "  " * depth + step.describe()
        return [own, *(line for i in step.inputs for line in lines(i, depth + 1))]

    return "\n".join(lines(plan, 0))
