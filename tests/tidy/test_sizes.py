"""Files and functions stay small enough to be read whole.

Good projects decay by magnet files and by functions that nobody dares to touch. The limits are where a test
fails; aim far below them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.tidy.source import PACKAGE, Finding, parse, python_files, unexcused

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 8
NESTING_MAX = 4

# Path, or path::qualified.name, and the reason why it may be larger.
FILE_EXCEPTIONS: dict[str, str] = {}
FUNCTION_EXCEPTIONS: dict[str, str] = {}
PARAMETER_EXCEPTIONS: dict[str, str] = {
    "src/thalweg/errors.py::DataError.__init__": "labelled lines of an error, and the row's place",
}
NESTING_EXCEPTIONS: dict[str, str] = {}

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


def functions(where: str, tree: ast.AST) -> Iterator[tuple[str, Function]]:
    """Every function with its stable place, `path::Class.method`."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, _SCOPES):
            yield from functions(where, node)
            continue
        place = f"{where}.{node.name}" if "::" in where else f"{where}::{node.name}"
        if not isinstance(node, ast.ClassDef):
            yield place, node
        yield from functions(place, node)


def check_file_length(where: str, text: str) -> Iterator[Finding]:
    """Whether the file has too many lines."""
    count = len(text.splitlines())
    if count > FILE_LINES_MAX:
        yield Finding(where, count, f"{count} lines, at most {FILE_LINES_MAX}")


def check_function_length(where: str, text: str) -> Iterator[Finding]:
    """Functions with too many lines, from `def` to the end, docstring left out."""
    for place, function in functions(where, parse(text)):
        count = _last_line(function) - function.lineno + 1 - _docstring_lines(function)
        if count > FUNCTION_LINES_MAX:
            yield Finding(place, function.lineno, f"{count} lines, at most {FUNCTION_LINES_MAX}")


def check_parameters(where: str, text: str) -> Iterator[Finding]:
    """Functions with too many parameters, `self` and `cls` left out."""
    for place, function in functions(where, parse(text)):
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        starred = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
        count = sum(a.arg not in ("self", "cls") for a in named) + len(starred)
        if count > PARAMETERS_MAX:
            yield Finding(place, function.lineno, f"{count} parameters, at most {PARAMETERS_MAX}")


def check_nesting(where: str, text: str) -> Iterator[Finding]:
    """Functions whose blocks nest too deeply; a function inside another counts by itself."""
    for place, function in functions(where, parse(text)):
        depth = _depth(function.body)
        if depth > NESTING_MAX:
            yield Finding(place, function.lineno, f"nesting {depth} deep, at most {NESTING_MAX}")


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _docstring_lines(function: Function) -> int:
    if ast.get_docstring(function, clean=False) is None:
        return 0
    first = function.body[0]
    return _last_line(first) - first.lineno + 1


def _depth(statements: list[ast.stmt]) -> int:
    return max((_depth_of(statement) for statement in statements), default=0)


def _depth_of(statement: ast.stmt) -> int:
    if not isinstance(statement, _BLOCKS):
        return 0
    orelse = getattr(statement, "orelse", [])
    if isinstance(statement, ast.If) and _is_elif(statement, orelse):
        return max(1 + _depth(statement.body), _depth_of(orelse[0]))
    handlers = getattr(statement, "handlers", []) + getattr(statement, "cases", [])
    bodies = [getattr(statement, "body", []), orelse, getattr(statement, "finalbody", [])]
    return 1 + max(_depth(body) for body in bodies + [handler.body for handler in handlers])


def _is_elif(statement: ast.If, orelse: list[ast.stmt]) -> bool:
    # An `elif` is stored as an `if` inside `else`, but stands in the column of its parent.
    return len(orelse) == 1 and isinstance(orelse[0], ast.If) and orelse[0].col_offset == statement.col_offset


def test_files_are_short() -> None:
    files = python_files(PACKAGE, "tests/", "benchmarks/", "examples/")
    findings = [finding for path, text in files for finding in check_file_length(path, text)]
    assert unexcused(findings, FILE_EXCEPTIONS) == []


@pytest.mark.parametrize(
    ("check", "exceptions"),
    [
        pytest.param(check_function_length, FUNCTION_EXCEPTIONS, id="length"),
        pytest.param(check_parameters, PARAMETER_EXCEPTIONS, id="parameters"),
        pytest.param(check_nesting, NESTING_EXCEPTIONS, id="nesting"),
    ],
)
def test_functions_are_small(check, exceptions) -> None:
    files = python_files(PACKAGE, "benchmarks/", "examples/")
    findings = [finding for path, text in files for finding in check(path, text)]
    assert unexcused(findings, exceptions) == []


def test_a_long_file_is_seen() -> None:
    assert list(check_file_length("a.py", "x = 1\n" * 500)) == []
    assert len(list(check_file_length("a.py", "x = 1\n" * 501))) == 1


def test_a_long_function_is_seen_and_its_docstring_is_free() -> None:
    docstring = '    """One.\n' + "\n" * 30 + '    """\n'
    fits = "class C:\n  def f(self):\n" + "      x = 1\n" * 69
    assert list(check_function_length("a.py", fits)) == []
    assert list(check_function_length("a.py", "def f():\n" + docstring + "    x = 1\n" * 69)) == []
    [finding] = check_function_length("a.py", fits + "      x = 1\n")
    assert finding.where == "a.py::C.f"


def test_a_function_inside_a_block_is_seen() -> None:
    text = "if x:\n    def f():\n" + "        x = 1\n" * 70
    assert [finding.where for finding in check_function_length("a.py", text)] == ["a.py::f"]


@pytest.mark.parametrize(
    ("signature", "count"),
    [
        ("self, a, b, c, d, e, f, g, h", 8),
        ("a, b, c, d, e, f, g, h, i", 9),
        ("a, b, /, c, d, *, e, f, g, h, i", 9),
        ("a, b, c, d, e, f, g, *args, **options", 9),
    ],
)
def test_many_parameters_are_seen(signature: str, count: int) -> None:
    found = list(check_parameters("a.py", f"def f({signature}): ..."))
    assert bool(found) is (count > PARAMETERS_MAX)


def _nested(*headers: str) -> str:
    lines = ["def f():", *("    " * (i + 1) + header for i, header in enumerate(headers))]
    return "\n".join([*lines, "    " * (len(headers) + 1) + "pass"])


def test_deep_nesting_is_seen() -> None:
    four = ["for a in b:", "if a:", "with a:", "while a:"]
    assert list(check_nesting("a.py", _nested(*four))) == []
    assert len(list(check_nesting("a.py", _nested(*four, "if b:")))) == 1


@pytest.mark.parametrize(
    ("headers", "depth"),
    [(("match a:", "case 1:", "if a:"), 2), (("if a:", "def g():", "if b:"), 1), ((), 0)],
)
def test_how_depth_is_counted(headers: tuple[str, ...], depth: int) -> None:
    # A `case` belongs to its `match`; a function inside starts at zero again.
    function = parse(_nested(*headers)).body[0]
    assert _depth(function.body) == depth


def test_depth_in_every_branch() -> None:
    chain = "def f():\n    if a: pass\n    elif b: pass\n    elif c:\n        if d: pass\n    else: pass"
    assert _depth(parse(chain).body[0].body) == 2
    handler = "def f():\n  try: pass\n  except E: pass\n  finally:\n    for b in c:\n      if d: pass"
    assert _depth(parse(handler).body[0].body) == 3
    otherwise = "def f():\n    if a: pass\n    else:\n        if b: pass\n        x = 1"
    assert _depth(parse(otherwise).body[0].body) == 2
