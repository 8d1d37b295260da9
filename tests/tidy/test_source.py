"""The tidy tests' own tools: they see the whole source, and exceptions excuse only what they name."""

from __future__ import annotations

import ast

import pytest

from tests.tidy.source import (
    Finding,
    _is_built,
    dotted,
    imported_names,
    python_files,
    repository_files,
    unexcused,
)


def test_the_source_and_these_tests_are_seen() -> None:
    assert "src/thalweg/errors.py" in repository_files()
    assert "tests/tidy/test_source.py" in repository_files()
    assert not [name for name in repository_files() if name.startswith((".venv/", ".git/"))]


def test_folders_choose_files() -> None:
    names = [name for name, _ in python_files("tests/tidy/")]
    assert "tests/tidy/source.py" in names
    assert all(name.startswith("tests/tidy/") for name in names)


def test_an_exception_excuses_only_the_place_it_names() -> None:
    findings = [Finding("a.py::f", 3, "too long"), Finding("a.py::g", 9, "too long")]
    assert unexcused(findings, {"a.py::f": "a table"}) == ["a.py::g (line 9): too long"]


def test_an_exception_that_nothing_needs_is_reported() -> None:
    assert unexcused([], {"a.py::f": "a table"}) == ["a.py::f: this exception is no longer needed"]


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("import a.b, c", ["a.b", "c"]),
        ("from a import b", ["a", "a.b"]),
        ("from . import time", []),
        ("x = 1", []),
    ],
)
def test_imported_names(statement: str, names: list[str]) -> None:
    assert imported_names(ast.parse(statement).body[0]) == names


@pytest.mark.parametrize(("expression", "name"), [("a.b.c", "a.b.c"), ("a", "a"), ("f().b", ""), ("1", "")])
def test_dotted(expression: str, name: str) -> None:
    assert dotted(ast.parse(expression, mode="eval").body) == name


@pytest.mark.parametrize(
    ("part", "built"),
    [("build", True), ("thalweg.egg-info", True), (".venv", True), (".ci", False), ("src", False)],
)
def test_built_files_are_recognised_without_git(part: str, built: bool) -> None:
    assert _is_built(part) is built
