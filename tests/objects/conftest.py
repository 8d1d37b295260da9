"""One server for all tests here; its bucket is empty when a test begins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.objects.server import ObjectServer, running


@pytest.fixture(scope="session")
def _server() -> Iterator[ObjectServer]:
    with running() as made:
        yield made


@pytest.fixture
def server(_server: ObjectServer) -> ObjectServer:
    _server.empty()
    return _server
