"""Read CREATE and DROP.

Names inside one statement are checked here (a watermark needs its column); what needs a catalog or
types is left to the binder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from thalweg.errors import Span, SqlError, did_you_mean
from thalweg.sql import problems
from thalweg.sql.grammar.cursor import one_of
from thalweg.sql.grammar.queries import QueryGrammar
from thalweg.sql.grammar.types import read_type
from thalweg.sql.source import span_of, text_of
from thalweg.sql.statements import (
    Column,
    ComputedColumn,
    CreateTable,
    CreateView,
    Drop,
    PhysicalColumn,
    Watermark,
)

_ELSEWHERE = {
    "FUNCTION": "Python functions are registered with the session",
    "CATALOG": "tables live in the session",
    "DATABASE": "tables live in the session",
    "MODEL": None,
    "MATERIALIZED": "CREATE VIEW names a query",
}


@dataclass
class _Body:
    """The parts of a CREATE TABLE, as they are found."""

    columns: list[Column] = field(default_factory=list)
    watermark: Watermark | None = None
    primary_key: list[exp.Identifier] = field(default_factory=list)
    partitioned_by: list[exp.Identifier] = field(default_factory=list)


@dataclass
class _ViewBody:
    """What stands in parentheses behind the name of a view."""

    columns: list[str] = field(default_factory=list)
    primary_key: list[exp.Identifier] = field(default_factory=list)


@dataclass(frozen=True)
class _Head:
    """What stands between CREATE and the kind of thing."""

    is_temporary: bool
    or_replace: bool


class DdlGrammar(QueryGrammar):
    """Statements that define tables and views."""

    def create(self, base: dict[str, Any]) -> CreateTable | CreateView:
        """`CREATE [OR REPLACE] [TEMPORARY] TABLE | VIEW …`; `base` has the statement's place."""
        self.expect("CREATE")
        or_replace = self.take("OR")
        if or_replace:
            self.expect("REPLACE")
        head = _Head(self.take("TEMPORARY"), or_replace)
        self._refuse_elsewhere("CREATE")
        if self.take("TABLE"):
            return self._create_table(head, base)
        if self.take("VIEW"):
            return self._create_view(head, base)
        raise self.unexpected(expected="TABLE or VIEW")

    def _refuse_elsewhere(self, verb: str) -> None:
        self_word = self._next if one_of(self._curr, ("SYSTEM",)) else self._curr
        if one_of(self_word, _ELSEWHERE):
            word = self_word.text.upper()
            raise problems.not_yet(f"{verb} {word} is", self.place(self_word), hint=_ELSEWHERE[word])

    def drop(self, base: dict[str, Any]) -> Drop:
        """`DROP [TEMPORARY] TABLE | VIEW [IF EXISTS] name`."""
        self.expect("DROP")
        temporary = self.take("TEMPORARY")
        self._refuse_elsewhere("DROP")
        is_view = self.take("VIEW")
        if not is_view:
            self.expect("TABLE")
        if_exists = self._if("EXISTS")
        return Drop("view" if is_view else "table", self.table_name(), if_exists, temporary, **base)

    def _if(self, *words: str) -> bool:
        if not self.take("IF"):
            return False
        self.expect(*words)
        return True

    def table_name(self) -> str:
        """The name of a table or view; names of catalogs are refused."""
        first = self._curr
        name = self.name("a table name").name
        if self._match(TokenType.DOT):
            raise problems.not_yet("names of catalogs and databases are", self.place(first))
        return name

    # CREATE VIEW -------------------------------------------------------------------------------

    def _create_view(self, head: _Head, base: dict[str, Any]) -> CreateView:
        if_not_exists = self._if("NOT", "EXISTS")
        name = self.table_name()
        body = _ViewBody()
        if self.take("("):
            self.items(lambda: self._view_item(body))
            self.expect(")")
        comment = self._comment()
        self.expect("AS")
        query = self.query()
        return CreateView(
            name,
            query,
            text_of(query),
            tuple(body.columns) or None,
            tuple(k.name for k in body.primary_key),
            comment,
            key_span=span_of(body.primary_key[0]) if body.primary_key else None,
            is_temporary=head.is_temporary,
            or_replace=head.or_replace,
            if_not_exists=if_not_exists,
            **base,
        )

    def _view_item(self, body: _ViewBody) -> None:
        """A column's name, or the key, which Flink does not know for views."""
        if self.at("CONSTRAINT"):
            self.take("CONSTRAINT")
            self.name("a name for the constraint")
            self._primary_key(body)
        elif self.at("PRIMARY", "KEY"):
            self._primary_key(body)
        else:
            body.columns.append(self.name().name)

    def _names(self) -> list[exp.Identifier]:
        return self.wrapped(lambda: self.items(self.name))

    def _comment(self) -> str | None:
        return self.string() if self.take("COMMENT") else None

    # CREATE TABLE ------------------------------------------------------------------------------

    def _create_table(self, head: _Head, base: dict[str, Any]) -> CreateTable:
        if_not_exists = self._if("NOT", "EXISTS")
        name = self.table_name()
        body = _Body()
        if self.take("("):
            self.items(lambda: self._definition(body))
            self.expect(")")
        comment = self._comment()
        if self.at("DISTRIBUTED"):
            raise problems.not_yet("DISTRIBUTED is", self.place())
        if self.take("PARTITIONED"):
            self.expect("BY")
            body.partitioned_by = self._names()
        options = self._options() if self.take("WITH") else {}
        if self.at("LIKE"):
            raise problems.not_yet("CREATE TABLE … LIKE is", self.place())
        query = self.query() if self.take("AS") else None
        self._check_names(body)
        return CreateTable(
            name,
            tuple(body.columns),
            body.watermark,
            {k: v[0] for k, v in options.items()},
            {k: v[1] for k, v in options.items()},
            tuple(k.name for k in body.primary_key),
            comment,
            head.is_temporary,
            if_not_exists,
            head.or_replace,
            query,
            tuple(k.name for k in body.partitioned_by),
            **base,
        )

    def _check_names(self, body: _Body) -> None:
        known = [c.name for c in body.columns]
        if body.watermark is not None and body.watermark.column not in known:
            raise _no_column("the watermark", body.watermark.column, known, body.watermark.span)
        for key in body.primary_key:
            if key.name not in known:
                raise _no_column("the primary key", key.name, known, span_of(key))
        stored = [c.name for c in body.columns if isinstance(c, PhysicalColumn)]
        for key in body.partitioned_by if body.columns else ():
            if key.name not in stored:
                raise _no_column("PARTITIONED BY", key.name, stored, span_of(key))

    def _definition(self, body: _Body) -> None:
        if self.at("WATERMARK", "FOR"):
            self._watermark(body)
        elif self.at("CONSTRAINT"):
            self.take("CONSTRAINT")
            self.name("a name for the constraint")
            self._primary_key(body)
        elif self.at("PRIMARY", "KEY"):
            self._primary_key(body)
        else:
            self._column(body)

    def _watermark(self, body: _Body) -> None:
        first = self._curr
        self.take("WATERMARK", "FOR")
        if body.watermark is not None:
            raise self.fail("a table has one watermark", first)
        column = self.name("a time column")
        if self._match(TokenType.DOT):
            hint = "a computed column can carry the watermark: c AS row_column.field"
            raise problems.not_yet("a watermark on a field of a row is", self.place(), hint=hint)
        self.expect("AS")
        expression = self.value()
        span = span_of(column)
        assert span is not None, "the parser marks every name"
        body.watermark = Watermark(column.name, expression, span=span)

    def _primary_key(self, body: _Body | _ViewBody, column: exp.Identifier | None = None) -> None:
        first = self._curr
        self.expect("PRIMARY", "KEY")
        if body.primary_key:
            raise self.fail("there is one primary key", first)
        body.primary_key = [column] if column is not None else self._names()
        if not self.take("NOT", "ENFORCED"):
            hint = "a table does not check its rows, so the key must say NOT ENFORCED"
            raise self.unexpected(expected="NOT ENFORCED", hint=hint)

    def _column(self, body: _Body) -> None:
        first = self._curr
        name = self.name("a column name")
        if any(c.name == name.name for c in body.columns):
            raise problems.meaning(
                f'the table has two columns "{name.name}"', self.place(first), code="sql-duplicate-column"
            )
        if self.take("AS"):
            expression = self.value()
            body.columns.append(
                ComputedColumn(name.name, expression, comment=self._comment(), span=self.place(first))
            )
            return
        held = read_type(self)
        is_nullable = not self._was_not_null()
        if self.at("METADATA"):
            raise problems.not_yet("columns with METADATA are", self.place())
        if self.at("PRIMARY", "KEY"):
            self._primary_key(body, name)
        body.columns.append(
            PhysicalColumn(name.name, held, is_nullable, comment=self._comment(), span=self.place(first))
        )

    def _was_not_null(self) -> bool:
        return [t.text.upper() for t in self._tokens[self._index - 2 : self._index]] == ["NOT", "NULL"]

    def _options(self) -> dict[str, tuple[str, Span]]:
        """`('key' = 'value', …)`: the values and where they stand."""
        found: dict[str, tuple[str, Span]] = {}
        self.expect("(")
        for first, key, value, span in self.items(self._option):
            if key in found:
                raise self.fail(f'the option "{key}" is given twice', first)
            found[key] = (value, span)
        self.expect(")")
        return found

    def _option(self) -> tuple[Any, str, str, Span]:
        first = self._curr
        key = self.string("a key in single quotes")
        self.expect("=")
        place = self.place()
        value = self.string("a value in single quotes")
        return first, key, value, place


def _no_column(what: str, name: str, known: list[str], where: Span | None) -> SqlError:
    return SqlError(
        f'{what} names "{name}", which is no column of the table',
        code="sql-unknown-column",
        where=where,
        choices=known,
        hint=did_you_mean(name, known),
    )
