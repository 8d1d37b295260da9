"""Statements end at `;`, which counts neither in strings, nor in quoted names, nor in comments."""

from __future__ import annotations

import pytest

from thalweg.cli.shell.scan import cut, is_blank, open_sign, pieces, segments
from thalweg.sql.parse import parse


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("", [], ""),
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT 1;", ["SELECT 1"], ""),
        ("SELECT 1;;SELECT 2;", ["SELECT 1", "SELECT 2"], ""),
        ("SELECT ';'; SELECT", ["SELECT ';'"], " SELECT"),
        ("SELECT 'it''s;';", ["SELECT 'it''s;'"], ""),
        ("SELECT `a;b`;", ["SELECT `a;b`"], ""),
        ("SELECT 1 -- no;\n;", ["SELECT 1 -- no;"], ""),
        ("SELECT /* ; */ 1;", ["SELECT /* ; */ 1"], ""),
        ("SELECT 4 - 2 / 1;", ["SELECT 4 - 2 / 1"], ""),
        ("SELECT 'open;", [], "SELECT 'open;"),
        ("/* open;", [], "/* open;"),
    ],
)
def test_where_statements_end(text: str, statements: list[str], rest: str) -> None:
    assert cut(text) == (statements, rest)


@pytest.mark.parametrize(
    "text", ["SELECT 1 - 2 -- x\n/ 3 /* ' */ AS `a'b`, 'c`d''' \"e\"", "-/'", "*/ /*/", "/*"]
)
def test_pieces_are_the_whole_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_the_parser_sees_the_same_statements() -> None:
    text = "SELECT 'a;b''' AS `x;y`; -- ;\nSELECT /* ; */ 2;"
    assert [s.text for s in parse(text)] == ["SELECT 'a;b''' AS `x;y`", "SELECT /* ; */ 2"]
    assert len(cut(text)[0]) == 2


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("", ""),
        ("a 'b", "'"),
        ("a 'b'", ""),
        ("`", "`"),
        ("/*/", "/*"),
        ("/**/", ""),
        ("-- '", ""),
        ('"a', '"'),
    ],
)
def test_what_is_open(text: str, sign: str) -> None:
    assert open_sign(text) == sign


@pytest.mark.parametrize(
    ("text", "blank"), [(" \n", True), ("-- x", True), ("/* x */ ", True), ("/* x", False)]
)
def test_comments_alone_are_nothing(text: str, blank: bool) -> None:
    assert is_blank(text) is blank


def test_dot_commands_stand_between_statements_only() -> None:
    text = "SELECT 1\n.5;\n-- note\n.mode csv\n.timer off\n  SELECT\n.25;"
    parts = list(segments(text))
    assert [part.strip() for part, _ in parts] == [
        "SELECT 1\n.5;\n-- note",
        ".mode csv",
        ".timer off",
        "SELECT\n.25;",
    ]
    assert [is_dot for _, is_dot in parts] == [False, True, True, False]
    last = parts[-1][0]
    assert last.count("\n", 0, last.index("SELECT")) == 5
