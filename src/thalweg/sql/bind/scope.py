"""Find what a name means: a column of a table in FROM, or a field inside one.

Names are case-sensitive. `a.b` is column `b` of table `a` where there is one, else field `b` of
column `a`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from thalweg.base.schema import SYSTEM_PREFIX, Schema, unknown_column
from thalweg.base.types import STRING, Map, Struct
from thalweg.errors import PlanError, Span, SqlError, did_you_mean
from thalweg.expr.infer import type_of
from thalweg.expr.nodes import Call, Column, Expr, Literal, substitute
from thalweg.plan.nodes import Plan
from thalweg.sql import problems
from thalweg.sql.source import bounds, mark, span_of

_UNKNOWN = ("plan-unknown-column", "sql-unknown-name")
_ONE_LEVEL = "a query can name the tables of the query directly around it; a join can hand on the column"
_CLOSED = "the tables around a query can be named in its own clauses, not in its FROM or a UNION"


@dataclass(frozen=True)
class Relation:
    """One table of FROM: its alias, and what its visible columns are in terms of the plan's."""

    alias: str | None
    columns: Mapping[str, Expr]

    @staticmethod
    def of(plan: Plan, alias: str | None) -> Relation:
        """A relation that shows the columns of a plan, system columns left out."""
        names = (n for n in plan.schema.names if not n.startswith(SYSTEM_PREFIX))
        return Relation(alias, {n: Column(n) for n in names})


@dataclass(frozen=True)
class Merged:
    """A column that several tables share by USING.

    Attributes:
        value: what it is without the name of a table.
        owners: the numbers of these tables.
        first: the number of the first table of the join that made them one; `*` shows it before that table.
    """

    value: Expr
    owners: tuple[int, ...]
    first: int = 0

    def behind(self, count: int) -> Merged:
        """The same with so many tables before them."""
        return replace(self, owners=tuple(count + i for i in self.owners), first=count + self.first)


@dataclass(frozen=True)
class Scope:
    """The tables of one FROM, over the plan that produces them.

    Attributes:
        merged: the columns that several tables share by USING, by name.
        window: the window function of GROUP BY, whose bounds the plan has as columns.
        outer: the tables around the query, whose columns a name may also mean.
        by: the columns of the plan that say to which rows of the tables around the query a row belongs.
    """

    plan: Plan
    relations: tuple[Relation, ...]
    merged: Mapping[str, Merged] = field(default_factory=dict)
    window: exp.Expr | None = None
    outer: Outer | None = None
    by: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """The columns of the plan."""
        return self.plan.schema

    @property
    def known(self) -> Schema:
        """The columns that an expression may be over: those of the plan, and of the tables around it."""
        if self.outer is None or self.outer.columns or not self.outer.is_open:
            return self.schema
        return Schema((*self.schema.fields, *self.outer.scope.schema.fields))

    def over(self, plan: Plan) -> Scope:
        """The same names over another plan that still has the columns."""
        return replace(self, plan=plan)

    def visible(self, alias: str | None = None) -> Iterator[tuple[str, Expr]]:
        """What `*`, or `alias.*`, stands for."""
        for number, relation in enumerate(self.relations):
            if alias is None:
                yield from ((n, m.value) for n, m in self.merged.items() if m.first == number)
            if relation.alias == alias:
                yield from relation.columns.items()
            elif alias is None:
                shown = relation.columns.items()
                yield from ((n, e) for n, e in shown if not self._is_merged(n, number))

    def owners(self, name: str) -> tuple[int, ...]:
        """The numbers of the tables that a column belongs to."""
        if name in self.merged:
            return self.merged[name].owners
        return tuple(i for i, r in enumerate(self.relations) if name in r.columns)

    def _is_merged(self, name: str, number: int) -> bool:
        return name in self.merged and number in self.merged[name].owners

    def has_relation(self, alias: str) -> bool:
        """Whether a table goes by that alias."""
        return any(r.alias == alias for r in self.relations)

    def resolve(self, parts: Sequence[exp.Identifier]) -> Expr:
        """The expression that a name with dots means; a name that the tables do not have is one around them.

        Raises:
            PlanError: `plan-unknown-column`, with the near misses.
            SqlError: `sql-ambiguous` for a column that several tables have.
        """
        try:
            return self.own(parts)
        except (PlanError, SqlError) as error:
            if self.outer is None or error.code not in _UNKNOWN:
                raise
            return self.outer.resolve(parts, error)

    def own(self, parts: Sequence[exp.Identifier]) -> Expr:
        """The same among the tables of this FROM alone."""
        head = parts[0]
        if len(parts) > 1:
            owner = next((r for r in self.relations if r.alias == head.name), None)
            if owner is not None and parts[1].name in owner.columns:
                return self._fields(owner.columns[parts[1].name], parts[:2], parts[2:])
            if owner is not None and not self._holding(head.name):
                raise unknown_column(parts[1].name, owner.columns, table=head.name, where=span_of(parts[1]))
        found = self._holding(head.name)
        shared = self.merged.get(head.name)
        if shared is not None and len(found) == len(shared.owners):
            return self._fields(shared.value, parts[:1], parts[1:])
        if len(found) > 1:
            owners = ", ".join(f"{r.alias}.{head.name}" for r in found)
            raise SqlError(
                f'column "{head.name}" is in several tables',
                code="sql-ambiguous",
                where=span_of(head),
                hint=f"write one of {owners}",
            )
        if not found:
            raise self._unknown(head, len(parts) > 1)
        return self._fields(found[0].columns[head.name], parts[:1], parts[1:])

    def _holding(self, name: str) -> list[Relation]:
        return [r for r in self.relations if name in r.columns]

    def _unknown(self, head: exp.Identifier, is_qualified: bool) -> Exception:
        names = [n for n, _ in self.visible()]
        aliases = [r.alias for r in self.relations if r.alias is not None]
        if not names:
            return PlanError(
                f'there is no column "{head.name}" here',
                code="plan-unknown-column",
                where=span_of(head),
                hint="text needs single quotes; without FROM there are no columns",
            )
        if is_qualified:
            return self.unknown_owner(head)
        table = aliases[0] if len(self.relations) == len(aliases) == 1 else None
        return unknown_column(head.name, names, table=table, where=span_of(head))

    def unknown_owner(self, head: exp.Identifier) -> SqlError:
        """The error for `head.something` where `head` is neither a table nor a column."""
        aliases = [r.alias for r in self.relations if r.alias is not None]
        known = [*aliases, *(n for n, _ in self.visible())]
        return SqlError(
            f'there is no table or column "{head.name}" here',
            code="sql-unknown-name",
            where=span_of(head),
            choices=known,
            hint=did_you_mean(head.name, known),
        )

    def _fields(self, start: Expr, named: Sequence[exp.Identifier], fields: Sequence[exp.Identifier]) -> Expr:
        found = spanned(start, span_of_all(named))
        for i, name in enumerate(fields):
            place = span_of_all([*named, *fields[: i + 1]])
            found = self.field(found, name, place)
        return found

    def field(
        self, owner: Expr, name: exp.Identifier, place: Span | None, schema: Schema | None = None
    ) -> Expr:
        """A field of a row; `schema` is given where more columns than the plan's can be meant."""
        held = type_of(owner, self.known if schema is None else schema)
        if not isinstance(held, Struct):
            raise problems.meaning(
                f'"{name.name}" is asked of {owner}, which has the type {held} and no fields',
                span_of(name),
                code="sql-no-fields",
                hint=f"{owner}['{name.name}'] is the value of a key" if isinstance(held, Map) else None,
            )
        if held.field(name.name) is None:
            known = [f.name for f in held.fields]
            raise SqlError(
                f'{owner} has no field "{name.name}"',
                code="sql-unknown-field",
                where=span_of(name),
                choices=known,
                hint=did_you_mean(name.name, known),
            )
        return Call("field", (owner, Literal(name.name, STRING, span=span_of(name))), span=place)


@dataclass(frozen=True)
class Outer:
    """The tables around a query.

    Attributes:
        columns: what stands for their columns in the query; without an entry, a column stands for itself.
        is_open: whether they can be named here.
    """

    scope: Scope
    columns: Mapping[str, Expr] = field(default_factory=dict)
    is_open: bool = True

    def resolve(self, parts: Sequence[exp.Identifier], inner: PlanError | SqlError) -> Expr:
        """What a name means that the tables of the query do not have; `inner` says that they do not."""
        place = span_of_all(parts)
        try:
            found = self.scope.own(parts)
        except (PlanError, SqlError) as error:
            if self.scope.outer is not None and self.scope.outer.knows(parts):
                what = f'"{parts[0].name}" is two queries further out, which is'
                raise problems.not_yet(what, place, hint=_ONE_LEVEL) from None
            is_outer = error.code == "sql-ambiguous" or self.scope.has_relation(parts[0].name)
            raise (error if is_outer else inner) from None
        if not self.is_open:
            what = f'"{parts[0].name}" is a name of the query around this one, which is'
            raise problems.not_yet(what, place, hint=_CLOSED)
        return spanned(substitute(found, dict(self.columns)), place)

    def knows(self, parts: Sequence[exp.Identifier]) -> bool:
        """Whether the name means something here or further out."""
        try:
            self.scope.own(parts)
        except (PlanError, SqlError) as error:
            further = self.scope.outer is not None and self.scope.outer.knows(parts)
            return further or error.code == "sql-ambiguous"
        return True


def spanned(expr: Expr, span: Span | None) -> Expr:
    """The expression with another place."""
    return replace(expr, span=span)


def span_of_all(nodes: Sequence[exp.Expr]) -> Span | None:
    """The place from the first node to the last."""
    first, last = bounds(nodes[0]), bounds(nodes[-1])
    if first is None or last is None:
        return span_of(nodes[0])
    whole = exp.Identifier(this="")
    mark(whole, nodes[0].meta["source"], first[0], last[1])
    return span_of(whole)
