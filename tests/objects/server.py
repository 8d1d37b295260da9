"""A real object store on loopback: moto's server, with faults that a test can ask for.

Requests are carried out one after the other, as the conditional writes of a store are for one name.
"""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from thalweg.checkpoint.addresses import split

BUCKET = "rows"
Answer = Iterable[bytes]
Fault = Callable[[dict[str, Any], Callable[[], Answer]], Answer | None]
"""Takes a request and what carries it out; gives an answer instead, or None where it does not mind."""


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Nobody reads it."""


class ObjectServer:
    """A server with one bucket.

    Attributes:
        requests: method and path of every request.
        fault: what happens instead of an answer.
        sent: bytes of answers.
    """

    def __init__(self) -> None:
        self._application = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self.requests: list[tuple[str, str]] = []
        self.fault: Fault | None = None
        self.sent = 0
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Answer:
        with self._lock:
            self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))

            def carried_out() -> Answer:
                said: list[Any] = []
                body = list(self._application(environ, lambda *head: said.extend(head)))
                request["said"] = said
                return body

            request = {**environ, "start": start}
            instead = None if self.fault is None else self.fault(request, carried_out)
            if instead is not None:
                return instead
            body = carried_out()
            self.sent += sum(map(len, body))
            start(*request["said"])
            return body

    def refusal(self, request: dict[str, Any], status: str, code: str = "Refused") -> Answer:
        """An answer that says no."""
        request["start"](status, [("Content-Type", "application/xml")])
        return [f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()]

    def cut(self, request: dict[str, Any]) -> Answer:
        """No answer: the connection breaks."""
        request["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return [b""]

    @property
    def environment(self) -> dict[str, str]:
        """What the library is configured with."""
        return {
            "AWS_ENDPOINT": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key-of-the-tests",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
        }

    def empty(self) -> None:
        """Forget everything, and make the bucket."""
        from moto.s3.models import s3_backends

        self.fault = None
        for account in list(s3_backends):
            for region in s3_backends[account]:
                s3_backends[account][region].reset()
        self.made(BUCKET)
        self.requests.clear()

    def made(self, bucket: str) -> None:
        """Make a bucket."""
        request = urllib.request.Request(f"{self.endpoint}/{bucket}", method="PUT")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200, "the bucket is made"

    def apart(self, call: Callable[[], object]) -> None:
        """Let other requests in while one is carried out."""
        self._lock.release()
        try:
            call()
        finally:
            self._lock.acquire()

    def put(self, key: str, data: bytes) -> None:
        """Put an object into the bucket."""
        bucket, found = split(f"s3://{BUCKET}/{key}")
        bucket.put(found, data)

    def put_raw(self, key: str) -> None:
        """Put an empty object under a key that the library may not accept."""
        request = urllib.request.Request(f"{self.endpoint}/{BUCKET}/{key}", method="PUT")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200, "the object is put"

    def delete(self, key: str) -> None:
        """Delete an object of the bucket."""
        bucket, found = split(f"s3://{BUCKET}/{key}")
        bucket.delete(found)

    def held(self) -> dict[str, bytes]:
        """The objects of the bucket."""
        bucket, _ = split(f"s3://{BUCKET}")
        return {found.key: bucket.get(found.key) for found in bucket.walk("")}

    def upload(self, directory: Path, prefix: str) -> None:
        """Put the files of a directory into the bucket."""
        for path in sorted(p for p in directory.rglob("*") if p.is_file()):
            self.put(f"{prefix}/{path.relative_to(directory)}", path.read_bytes())

    def download(self, directory: Path) -> None:
        """Write all objects as files."""
        for key, data in self.held().items():
            path = directory / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def running() -> Iterator[ObjectServer]:
    """A server that this process is configured for."""
    server = ObjectServer()
    try:
        with mock.patch.dict("os.environ", server.environment):
            server.empty()
            yield server
    finally:
        server.close()
