"""Every store of checkpoints keeps its contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.objects.server import BUCKET, Answer, ObjectServer, running
from thalweg.checkpoint.object_store import ObjectStore
from thalweg.checkpoint.store import DirectoryStore
from thalweg.testing import check_store


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with running() as made:
        yield made


def store() -> ObjectStore:
    return ObjectStore(f"s3://{BUCKET}/kept here")


def is_write(request: dict[str, Any]) -> bool:
    return request["REQUEST_METHOD"] == "PUT" and request["PATH_INFO"].count("/") > 1


def test_a_directory(tmp_path: Path) -> None:
    check_store(lambda: DirectoryStore(str(tmp_path)))


@pytest.mark.slow
@pytest.mark.parametrize(("status", "times"), [("503 Slow Down", 1), ("503 Slow Down", 99), ("cut", 99)])
def test_objects(server: ObjectServer, status: str, times: int) -> None:
    """Each request that writes is carried out, and so often answered with an error, or not at all."""
    server.empty()
    refused: Counter[str] = Counter()

    def answer(request: dict[str, Any], carried_out: Callable[[], Answer]) -> Answer | None:
        refused[request["PATH_INFO"]] += is_write(request)
        if not is_write(request) or refused[request["PATH_INFO"]] > times:
            return None
        carried_out()
        return server.cut(request) if status == "cut" else server.refusal(request, status)

    @contextmanager
    def loses_answers() -> Iterator[None]:
        server.fault = answer
        try:
            yield
        finally:
            server.fault = None

    check_store(store, loses_answers)
    assert refused[f"/{BUCKET}/kept here/e/mine"] > 1, "it came to the faults"
