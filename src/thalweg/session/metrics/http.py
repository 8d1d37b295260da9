"""Let Prometheus read the figures of a running job over HTTP, on this machine only.

The server is bound to 127.0.0.1 and answers GET /metrics; everything else is refused, also a request that
names another host (a page of some browser here, which has that name point to this machine).

Reads:    the figures of a run, when asked.
Changes:  a socket and a thread while the run lasts.
Not here: the text (prometheus.py).
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from thalweg.errors import ExternalError
from thalweg.session.handle import JobHandle
from thalweg.session.metrics.prometheus import CONTENT_TYPE, exposition

ADDRESS = "127.0.0.1"
PATH = "/metrics"
_HOSTS = (ADDRESS, "localhost")
_CONNECTIONS_MAX = 8
_TIMEOUT = 10.0
_LOOK_EVERY = 0.05


@contextmanager
def serving(run: JobHandle, ports: Iterable[int], say: Callable[[str], None]) -> Iterator[int]:
    """The run's figures can be read over HTTP while in here; gives the port.

    Args:
        run: whose figures.
        ports: the first that is free is taken; 0 is any.
        say: told in a line where they are.

    Raises:
        ExternalError: `metrics-port`, when none is free.
    """
    server = _bound(run, ports)
    thread = threading.Thread(
        target=server.serve_forever, args=(_LOOK_EVERY,), name="thalweg-metrics", daemon=True
    )
    thread.start()
    try:
        say(f"metrics of the job {run.job.name}: http://{ADDRESS}:{server.server_port}{PATH}")
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bound(run: JobHandle, ports: Iterable[int]) -> _Server:
    tried: list[str] = []
    reason = ""
    for port in ports:
        try:
            return _Server(run, port)
        except OSError as error:
            tried.append(str(port))
            reason = "it is taken" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
    raise ExternalError(
        f"metrics cannot be served on port {tried[0]}" + (f" to {tried[-1]}" if len(tried) > 1 else ""),
        code="metrics-port",
        where=ADDRESS,
        found=reason if len(tried) == 1 else "none of them is free",
        hint="another port, or some of which the first free one is taken: 9250-9260; 0 is any",
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # a thread that still writes to somebody slow does not hold up the end of the job
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, run: JobHandle, port: int) -> None:
        self.run = run
        self._free = threading.BoundedSemaphore(_CONNECTIONS_MAX)
        super().__init__((ADDRESS, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread of its own; whoever comes when many are there is turned away."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """As the base class, and then there is room for somebody else."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has gone, or was too slow; that is nothing to tell anybody."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _TIMEOUT

    def parse_request(self) -> bool:
        """Refuse everything that is not asked for, before any of it is looked at."""
        if not super().parse_request():
            return False
        if self.command != "GET":
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "Allow", "GET")
        elif not self._is_meant():
            self._refuse(HTTPStatus.FORBIDDEN)
        elif self.path.partition("?")[0] != PATH:
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            return True
        return False

    def _is_meant(self) -> bool:
        """Whether the request names this machine; one without a name is none of HTTP 1.1."""
        named = self.headers.get_all("Host") if hasattr(self, "headers") else None
        allowed = {f"{host}{port}" for host in _HOSTS for port in ("", f":{self.server.server_port}")}
        return named is not None and len(named) == 1 and named[0].strip().lower() in allowed

    def _refuse(self, status: HTTPStatus, *header: str) -> None:
        self.send_response(status)
        if header:
            self.send_header(*header)
        self._end(f"{status.phrase.lower()}\n".encode(), "text/plain; charset=utf-8")

    def do_GET(self) -> None:
        """The figures now."""
        text = exposition([self.server.run.figures])
        self.send_response(HTTPStatus.OK)
        self._end(text.encode(), CONTENT_TYPE)

    def _end(self, body: bytes, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def version_string(self) -> str:
        """What serves, without its version and that of Python."""
        return "thalweg"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged of what strangers ask."""
