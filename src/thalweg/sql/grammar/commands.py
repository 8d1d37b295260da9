"""Read one statement: what its first words say it is, and the small ones whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot.tokenizer_core import TokenType

from thalweg.errors import SqlError
from thalweg.sql import problems
from thalweg.sql.grammar.ddl import DdlGrammar
from thalweg.sql.statements import (
    Describe,
    Detail,
    Explain,
    InsertInto,
    Query,
    Reset,
    Set,
    ShowCreate,
    ShowFunctions,
    ShowTables,
    ShowViews,
    Statement,
)

_DETAILS: tuple[Detail, ...] = ("ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "STATE")
_DETAILS_LATER = ("PLAN_ADVICE",)
_SHOWN_LATER = {
    **dict.fromkeys(("DATABASES", "CATALOGS", "CURRENT"), "tables live in the session: SHOW TABLES"),
    **dict.fromkeys(("COLUMNS",), "DESCRIBE name lists the columns"),
    **dict.fromkeys(("JOBS",), "the command line has thalweg jobs"),
    **dict.fromkeys(("FULL", "JARS", "MATERIALIZED", "MODELS", "MODULES", "PARTITIONS", "PROCEDURES"), None),
}
_CREATIONS_LATER = ("CATALOG", "DATABASE", "FUNCTION", "MATERIALIZED", "MODEL")
_OTHERS = {
    **dict.fromkeys(("ALTER", "ANALYZE", "CALL", "LOAD", "UNLOAD", "TRUNCATE", "USE", "COMPILE"), None),
    **dict.fromkeys(("UPDATE", "DELETE", "MERGE"), "INSERT INTO writes the rows of a query"),
    **dict.fromkeys(("EXECUTE", "BEGIN", "STATEMENT"), "INSERT INTO statements can follow one another"),
    **dict.fromkeys(("ADD", "REMOVE"), "Python modules are imported, not added"),
}


class StatementGrammar(DdlGrammar):
    """All statements."""

    def statement(self) -> Statement:
        """The one statement that the tokens are."""
        base = self._base()
        reader = _READERS.get(self._curr.text.upper()) if self._curr.token_type != TokenType.STRING else None
        if reader is None:
            raise self._no_statement()
        found = reader(self, base)
        self.end()
        return found

    def _base(self) -> dict[str, Any]:
        """Place and text: from the next token to the last one."""
        start, end = self._curr.start, self._tokens[-1].end + 1
        return {"span": self.source.span(start, end), "text": self.source.text[start:end]}

    def _no_statement(self) -> SqlError:
        word = self._curr.text.upper()
        if word in _OTHERS:
            return problems.not_yet(f"{word} is", self.place(), hint=_OTHERS[word])
        shown = tuple(w for w in _READERS if w.isalpha())
        hint = problems.near(word, shown) if word[:1].isalpha() else None
        return self.unexpected(expected="a statement: " + ", ".join(shown), hint=hint)

    def _show_query(self, base: dict[str, Any]) -> Query:
        return Query(self.query(), **base)

    def insert(self, base: dict[str, Any]) -> InsertInto:
        """`INSERT INTO target [(columns)] query`."""
        self.expect("INSERT")
        if self.at("OVERWRITE"):
            raise problems.not_yet("INSERT OVERWRITE is", self.place())
        self.expect("INTO")
        place = self.place()
        target = self.table_name()
        if self.at("PARTITION"):
            raise problems.not_yet("INSERT INTO … PARTITION is", self.place())
        columns = None
        if self.at("(") and self._next.text.upper() not in ("SELECT", "WITH", "VALUES", "("):
            columns = tuple(n.name for n in self._names())
        if not (self.at("SELECT") or self.at("WITH") or self.at("VALUES") or self.at("(")):
            raise self.unexpected(expected="a query or VALUES")
        return InsertInto(target, self.query(), columns, place, **base)

    def explain(self, base: dict[str, Any]) -> Explain:
        """`EXPLAIN [PLAN FOR] query or INSERT`, `EXPLAIN detail, … [FOR] query or INSERT`."""
        self.expect("EXPLAIN")
        details = tuple(self.items(self._detail)) if self._is_detail() else ()
        if self.take("PLAN"):
            self.expect("FOR")
        elif details:
            self.take("FOR")
        inner = self._base() if self._curr else base
        if self.at("INSERT"):
            return Explain(self.insert(inner), details, **base)
        return Explain(self._show_query(inner), details, **base)

    def _is_detail(self) -> bool:
        return bool(self._curr) and self._curr.text.upper() in (*_DETAILS, *_DETAILS_LATER)

    def _detail(self) -> Detail:
        if self._curr and self._curr.text.upper() in _DETAILS_LATER:
            hint = "EXPLAIN alone shows every stage"
            raise problems.not_yet(f"EXPLAIN {self._curr.text.upper()} is", self.place(), hint=hint)
        for detail in _DETAILS:
            if self.take(detail):
                return detail
        raise self.unexpected(expected=", ".join(_DETAILS))

    def describe(self, base: dict[str, Any]) -> Describe:
        """`DESCRIBE name` or `DESCRIBE 'path'`, also with `DESC`."""
        self._advance()
        place = self.place()
        is_path = self._curr is not None and self._curr.token_type == TokenType.STRING
        return Describe(self.string() if is_path else self.table_name(), is_path, place, **base)

    def show(self, base: dict[str, Any]) -> Statement:
        """`SHOW TABLES`, `VIEWS`, `FUNCTIONS`, `CREATE TABLE name`, `CREATE VIEW name`."""
        self.expect("SHOW")
        if self.take("TABLES"):
            return self._whole(ShowTables(**base), "TABLES")
        if self.take("VIEWS"):
            return self._whole(ShowViews(**base), "VIEWS")
        if self.take("CREATE"):
            return self._show_create(base)
        only_user = self.take("USER")
        if self.take("FUNCTIONS"):
            return self._whole(ShowFunctions(only_user, **base), "FUNCTIONS")
        self._refuse_shown(_SHOWN_LATER, "SHOW")
        raise self.unexpected(expected="TABLES, VIEWS, FUNCTIONS or CREATE TABLE")

    def _show_create(self, base: dict[str, Any]) -> ShowCreate:
        self._refuse_shown(dict.fromkeys(_CREATIONS_LATER), "SHOW CREATE")
        is_view = self.take("VIEW")
        if not is_view:
            self.expect("TABLE")
        place = self.place()
        return ShowCreate("view" if is_view else "table", self.table_name(), place, **base)

    def _whole(self, statement: Statement, what: str) -> Statement:
        """The statement, which names no part of the list."""
        for word in ("FROM", "IN", "LIKE", "ILIKE", "NOT"):
            if self.at(word):
                raise problems.not_yet(f"SHOW {what} {word} is", self.place())
        return statement

    def _refuse_shown(self, later: dict[str, str | None], verb: str) -> None:
        word = self._curr.text.upper() if self._curr else ""
        if word in later:
            raise problems.not_yet(f"{verb} {word} is", self.place(), hint=later[word])

    def set_option(self, base: dict[str, Any]) -> Set:
        """`SET 'key' = 'value'`; without quotes both are taken as they are written."""
        self.expect("SET")
        if not self._curr:
            return Set(**base)
        key = self.string() if self._curr.token_type == TokenType.STRING else self._key()
        self.expect("=")
        return Set(key, self._text("a value"), **base)

    def _key(self) -> str:
        """Everything up to the next `=`, as it is written."""
        first = self._curr
        while self._curr and not self.at("="):
            self._advance()
        if not self._curr or self._curr is first:
            raise self.unexpected(expected="=")
        return self.source.text[first.start : self._prev.end + 1]

    def _text(self, what: str) -> str:
        return self.string() if self._curr.token_type == TokenType.STRING else self._rest(what)

    def _rest(self, what: str) -> str:
        """Everything up to the end of the statement, as it is written."""
        if not self._curr:
            raise self.unexpected(expected=what)
        start = self._curr.start
        while self._curr:
            self._advance()
        return self.source.text[start : self._prev.end + 1]

    def reset_option(self, base: dict[str, Any]) -> Reset:
        """`RESET`, or `RESET 'key'`."""
        self.expect("RESET")
        if not self._curr:
            return Reset(**base)
        return Reset(self._text("a key"), **base)


_READERS: dict[str, Callable[[StatementGrammar, dict[str, Any]], Statement]] = {
    **dict.fromkeys(("SELECT", "WITH", "VALUES", "("), StatementGrammar._show_query),
    "INSERT": StatementGrammar.insert,
    "CREATE": StatementGrammar.create,
    "DROP": StatementGrammar.drop,
    "EXPLAIN": StatementGrammar.explain,
    "DESCRIBE": StatementGrammar.describe,
    "DESC": StatementGrammar.describe,
    "SHOW": StatementGrammar.show,
    "SET": StatementGrammar.set_option,
    "RESET": StatementGrammar.reset_option,
}
