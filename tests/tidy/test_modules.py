"""Every module says what it is for, and an `__init__.py` holds nothing but re-exports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.tidy.source import PACKAGE, ROOT, Finding, dotted, parse, python_files, repository_files, unexcused

DOCSTRING_EXCEPTIONS: dict[str, str] = {}
INIT_EXCEPTIONS: dict[str, str] = {
    "src/thalweg/__init__.py": "loads its names on first use, so that importing the package costs nothing",
}
_CONSTANTS = {"__all__", "__version__"}


def check_docstring(where: str, text: str) -> Iterator[Finding]:
    """Whether the module has no docstring, or an empty one."""
    if not (ast.get_docstring(parse(text)) or "").strip():
        yield Finding(where, 1, "has no docstring")


def check_only_reexports(where: str, text: str) -> Iterator[Finding]:
    """Every statement that is neither docstring, import nor `__all__`."""
    for node in parse(text).body:
        if not _is_reexport(node):
            yield Finding(where, node.lineno, "an __init__.py only re-exports")


def _is_reexport(node: ast.stmt) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name in _CONSTANTS
        case ast.If(test=test, body=body, orelse=[]) if dotted(test).endswith("TYPE_CHECKING"):
            return all(_is_reexport(inner) for inner in body)
        case _:
            return False


def packages_without_init(names: tuple[str, ...]) -> list[str]:
    """Folders of the package that hold modules and have no `__init__.py`."""
    inside = [PurePosixPath(name) for name in names if name.startswith(PACKAGE) and name.endswith(".py")]
    holding = {path.parent for path in inside}
    return sorted(str(folder) for folder in holding - {p.parent for p in inside if p.name == "__init__.py"})


def test_every_module_has_a_docstring() -> None:
    files = python_files(PACKAGE, "tests/", "benchmarks/", "examples/")
    findings = [finding for path, text in files for finding in check_docstring(path, text)]
    assert unexcused(findings, DOCSTRING_EXCEPTIONS) == []


def test_init_files_only_reexport() -> None:
    files = [(path, text) for path, text in python_files(PACKAGE) if path.endswith("/__init__.py")]
    findings = [finding for path, text in files for finding in check_only_reexports(path, text)]
    assert files
    assert unexcused(findings, INIT_EXCEPTIONS) == []


def test_every_package_has_an_init() -> None:
    assert packages_without_init(repository_files()) == []


def test_the_package_is_typed() -> None:
    assert (ROOT / PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("bad", ["", "x = 1", "import a\n'too late'", "''", "# a comment"])
def test_a_missing_docstring_is_seen(bad: str) -> None:
    assert list(check_docstring("a.py", bad))


def test_a_docstring_is_seen() -> None:
    assert list(check_docstring("a.py", '"""What for."""\nx = 1')) == []


@pytest.mark.parametrize(
    "bad", ["def f(): ...", "class C: ...", "x = 1", "f()", "if x:\n    import a", "for a in b: pass", "1"]
)
def test_code_in_an_init_is_seen(bad: str) -> None:
    assert list(check_only_reexports("a/__init__.py", f'"""What for."""\n{bad}'))


def test_reexports_in_an_init_are_fine() -> None:
    good = (
        '"""What for."""\nfrom __future__ import annotations\nfrom typing import TYPE_CHECKING\n'
        "from a.b import C as C\nif TYPE_CHECKING:\n    from a.b import D\n__all__ = ['C', 'D']"
    )
    assert list(check_only_reexports("a/__init__.py", good)) == []


def test_a_package_without_init_is_seen() -> None:
    names = (f"{PACKAGE}__init__.py", f"{PACKAGE}a/__init__.py", f"{PACKAGE}a/b.py", f"{PACKAGE}c/d.py")
    assert packages_without_init(names) == [f"{PACKAGE}c"]
