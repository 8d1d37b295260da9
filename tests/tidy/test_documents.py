"""Documents name files that exist, and nothing in the repository names the machine it was written on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.tidy.source import PACKAGE, ROOT, Finding, repository_files, unexcused

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "SECURITY.md", "tests/README.md")
TOP_FOLDERS = {"src", "tests", "docs", "benchmarks", "examples", ".ci"}
# Assembled from pieces, so that this file does not hold what it looks for.
HOST_PATHS = ("/" + "work" + "/", ".." + "/shared", "HELPERS" + ".md")

HOST_PATH_EXCEPTIONS: dict[str, str] = {}
PATH_EXCEPTIONS: dict[str, str] = {}

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)")
_PATH = re.compile(r"[\w.\-]+(/[\w.\-*<>{}]+)*/?")


def check_host_paths(where: str, text: str) -> Iterator[Finding]:
    """Lines that mention a folder of the machine on which the project was written."""
    for number, line in enumerate(text.splitlines(), start=1):
        for path in HOST_PATHS:
            if path in line:
                yield Finding(where, number, f"mentions {path}")


def check_named_paths(where: str, text: str, root: Path) -> Iterator[Finding]:
    """Paths in inline code, and targets of relative links, that do not exist below `root`.

    A path in code counts if its first part is a folder of the repository or a package of the source, from
    which it may start as well. A part with `*` must match something; with `<…>` it stands for many names.
    """
    prose = _FENCE.sub(lambda fence: "\n" * fence.group().count("\n"), text)
    packages = {path.name for path in (root / PACKAGE).glob("*") if path.is_dir()}
    for match in _CODE.finditer(prose):
        name = match.group(1)
        if _looks_like_a_path(name, packages) and not _exists(name, (root, root / PACKAGE, root / "src")):
            yield Finding(f"{where}::{name}", _line(prose, match), "names a path that does not exist")
    for match in _LINK.finditer(prose):
        target = match.group(1).split("#")[0]
        relative = target and not re.match(r"[a-z]+:", target)
        if relative and not _exists(target, ((root / where).parent,)):
            yield Finding(f"{where}::{target}", _line(prose, match), "links to a path that does not exist")


def _looks_like_a_path(name: str, packages: set[str]) -> bool:
    if not _PATH.fullmatch(name):
        return False
    first, slash, _ = name.partition("/")
    return bool(slash) and first in TOP_FOLDERS | packages | {"thalweg"}


def _exists(name: str, starts: tuple[Path, ...]) -> bool:
    known = name.rstrip("/")
    if placeholder := re.search(r"/[^/]*[<{]", known):
        known = known[: placeholder.start()]
    if "*" in known:
        return any(any(start.glob(known)) for start in starts)
    return any(_is_kept(start / known) for start in starts)


def _is_kept(path: Path) -> bool:
    # Git keeps no empty folders: one that exists here without a file is not there in a fresh clone.
    return path.is_file() or any(
        inner.is_file() for inner in path.rglob("*") if "__pycache__" not in inner.parts
    )


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1


def _text_files() -> Iterator[tuple[str, str]]:
    for name in repository_files():
        content = (ROOT / name).read_bytes()
        if b"\0" not in content:
            yield name, content.decode("utf-8", errors="replace")


def test_no_file_names_the_machine() -> None:
    findings = [finding for path, text in _text_files() for finding in check_host_paths(path, text)]
    assert unexcused(findings, HOST_PATH_EXCEPTIONS) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_paths_exist(document: str) -> None:
    if not (ROOT / document).is_file():
        pytest.skip(f"{document} is not written yet")
    text = (ROOT / document).read_text(encoding="utf-8")
    excused = {where: why for where, why in PATH_EXCEPTIONS.items() if where.startswith(f"{document}::")}
    assert unexcused(check_named_paths(document, text, ROOT), excused) == []


@pytest.mark.parametrize("path", HOST_PATHS)
def test_a_host_path_is_seen(path: str) -> None:
    [finding] = check_host_paths("a.md", f"fine\nsee {path}main\n")
    assert finding.line == 2


def test_text_files_are_read_and_others_are_not() -> None:
    names = {name for name, _ in _text_files()}
    assert {"LICENSE", "Makefile", "pyproject.toml", "src/thalweg/errors.py"} <= names
    assert all(PurePosixPath(name).suffix not in {".parquet", ".png"} for name in names)


@pytest.fixture
def small_repository(tmp_path: Path) -> Path:
    for name in ("src/thalweg/plan/nodes.py", "tests/sql/joins.slt", "docs/guide.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
    (tmp_path / "tests/empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "bad",
    [
        "see `src/thalweg/plan/gone.py`",
        "see `plan/gone.py`",
        "see `tests/gone/`",
        "see `tests/empty/`",
        "see `docs/*.txt`",
        "see `tests/gone/<name>.py`",
        "see [the guide](docs/gone.md)",
        "see [the guide](docs/gone.md#start)",
        "see [the guide](gone.md 'title')",
    ],
)
def test_a_path_that_does_not_exist_is_seen(bad: str, small_repository: Path) -> None:
    [finding] = check_named_paths("README.md", f"# Title\n\n{bad}\n", small_repository)
    assert finding.line == 3


@pytest.mark.parametrize(
    "good",
    [
        "see `src/thalweg/plan/nodes.py` and `plan/nodes.py` and `thalweg/plan/`",
        "see `tests/sql/*.slt` and `tests/sql/<topic>.slt`",
        "see [the guide](docs/guide.md#start), [the web](https://example.org/gone.md), [above](#title)",
        "run `make test`, read `out/result.json`, divide `a/b`, call `plan.build()`",
        "```console\n$ ls docs/gone.md `docs/gone.md`\n```",
    ],
)
def test_paths_that_exist_and_other_code_are_fine(good: str, small_repository: Path) -> None:
    assert list(check_named_paths("README.md", good, small_repository)) == []
