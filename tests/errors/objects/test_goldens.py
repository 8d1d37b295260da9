"""What goes wrong with an object store is told in exactly the words of its golden file.

The files are those of tests/errors/runs; the server is a real one, which refuses to be written to where the
name of a file begins with `read_only`. Running this file as a program writes the messages anew, for review.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.errors.runs.test_goldens import LINE, message
from tests.objects.server import Answer, ObjectServer, running
from thalweg.checkpoint.addresses import ObjectOptions, configure

CASES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with running() as made:
        yield made


def said(server: ObjectServer, case: Path, text: str, folder: Path) -> str:
    """The message of a program; the store is as it was."""
    server.empty()
    server.put("in/a.csv", b"id,n\n1,2\n")
    before = server.held()

    def refuse(request: dict[str, Any], carried_out: Callable[[], Answer]) -> Answer | None:
        is_read = request["REQUEST_METHOD"] in ("GET", "HEAD")
        return None if is_read else server.refusal(request, "403 Forbidden", "AccessDenied")

    server.fault = refuse if case.name.startswith("read_only") else None
    try:
        found = message(text, folder)
    finally:
        server.fault = None
        configure(ObjectOptions())
    assert before.items() <= server.held().items(), "nothing is changed or deleted"
    return found.replace(server.endpoint, "$ENDPOINT")


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_message(server: ObjectServer, path: Path, tmp_path: Path) -> None:
    text, expected = path.read_text(encoding="utf-8").split(LINE)
    assert said(server, path, text, tmp_path) + "\n" == expected


def test_there_are_goldens() -> None:
    assert len(CASES) >= 10


if __name__ == "__main__":
    with running() as made:
        for case in CASES:
            written = case.read_text(encoding="utf-8").split(LINE)[0]
            with tempfile.TemporaryDirectory() as name:
                new = written + LINE + said(made, case, written, Path(name)) + "\n"
            case.write_text(new, encoding="utf-8")
