"""What a bucket answers is told as the errors of the system are, also where it does not answer at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.objects.server import BUCKET, Answer, ObjectServer
from thalweg.checkpoint import bucket as module
from thalweg.checkpoint.addresses import split


def test_what_is_not_there_is_deleted_all_the_same(server: ObjectServer) -> None:
    bucket, _ = split(f"s3://{BUCKET}")
    refused: list[str] = []

    def missing(request: dict[str, Any], carried_out: Callable[[], Answer]) -> Answer:
        # as some stores say where S3 itself says nothing
        refused.append(request["REQUEST_METHOD"])
        return server.refusal(request, "404 Not Found", "NoSuchKey")

    server.fault = missing
    bucket.delete("none")
    server.fault = None
    assert refused != []


def test_who_cannot_find_out_who_made_an_object_says_that_it_failed(
    server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CREATES", 1)
    bucket, _ = split(f"s3://{BUCKET}")

    def broken(request: dict[str, Any], carried_out: Callable[[], Answer]) -> Answer:
        if request["REQUEST_METHOD"] == "PUT":
            carried_out()
        return server.cut(request)

    server.fault = broken
    with pytest.raises(OSError, match="one"):
        bucket.create("one", b"mine")
    server.fault = None
    assert bucket.get("one") == b"mine"
    assert not bucket.create("one", b"other")
