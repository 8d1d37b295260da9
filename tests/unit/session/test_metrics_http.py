"""Metrics over HTTP: this machine only, GET only, and nobody who means another host."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

import thalweg as tw
from thalweg.errors import ConfigError, ExternalError
from thalweg.protocols import metrics as m
from thalweg.protocols.metrics import Metrics, Sample
from thalweg.runtime.run import Run
from thalweg.session.hooks import HOOKS
from thalweg.session.metrics import http as served
from thalweg.session.metrics.http import serving

FIGURES = Metrics("hot", (Sample(m.CUT, (), 7),))
FAKE = cast(Run, SimpleNamespace(job=SimpleNamespace(name="hot"), figures=FIGURES))
METHODS = ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")


@pytest.fixture
def port() -> Iterator[int]:
    with serving(FAKE, [0], lambda line: None) as found:
        yield found


def asked(port: int, method: str = "GET", path: str = "/metrics", **headers: str) -> tuple[int, str]:
    """The status and the text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def sent(port: int, data: bytes) -> bytes:
    """Everything that comes back for raw bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        found = b""
        while part := connection.recv(65_536):
            found += part
    return found


def test_figures_are_served_in_prometheus_format(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics?name[]=x")
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.getheader("Server") == "thalweg", "no version for those who look for old ones"
    [family] = text_string_to_metric_families(answer.read().decode())
    assert [(s.labels, s.value) for s in family.samples] == [({"job": "hot"}, 7)]
    connection.close()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/metrics", "/"])
def test_other_methods_are_refused(port: int, method: str, path: str) -> None:
    assert asked(port, method, path)[0] == 405


@pytest.mark.parametrize("path", ["/", "/metrics/", "/Metrics", "/metrics/../etc/passwd", "/%6detrics", "*"])
def test_there_is_nothing_else(port: int, path: str) -> None:
    status, text = asked(port, path=path)
    assert (status, text) == (404, "not found\n")


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "127.0.0.1"])
def test_the_names_of_this_machine_are_answered(port: int, host: str) -> None:
    assert asked(port, Host=host.format(port=port))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost.evil.example"),
        *("127.0.0.1:1", "127.0.0.2:{port}", "0.0.0.0:{port}", "[::1]:{port}", "", "127.0.0.1:{port}@x"),
        *("user@127.0.0.1:{port}", "127.0.0.1:{port}.x", "localhost,evil.example", "2130706433:{port}"),
    ],
)
def test_who_means_another_host_is_refused(port: int, host: str) -> None:
    status, text = asked(port, Host=host.format(port=port))
    assert (status, text) == (403, "forbidden\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"403"),
        (b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n", b"403"),
        (b"GET /metrics HTTP/1.0\r\n\r\n", b"403"),
        (b"GET http://evil.example/metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"404"),
        (b"GET /metrics HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", b"505"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
    ],
)
def test_odd_requests_get_no_figures(port: int, request_: bytes, status: bytes) -> None:
    found = sent(port, request_)
    assert status in found.split(b"\r\n")[0]
    assert b"thalweg_job" not in found
    assert asked(port)[0] == 200, "and others are served"


def test_a_request_of_the_first_version_gets_no_figures(port: int) -> None:
    assert b"thalweg_job" not in sent(port, b"GET /metrics\r\n\r\n")


def test_one_connection_gets_one_answer(port: int) -> None:
    one = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert sent(port, one + one).count(b"200 OK") == 1


def test_nothing_but_the_loopback_address_is_bound(port: int) -> None:
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [line.split() for lines in tables for line in lines]
    listening = [row[1] for row in rows if row[3] == "0A"]
    assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_it_ends_with_the_job() -> None:
    before = threading.active_count()
    with serving(FAKE, [0], lambda line: None) as port:
        assert asked(port)[0] == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert threading.active_count() == before


def test_who_says_nothing_holds_up_neither_others_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        with serving(FAKE, [0], lambda line: None) as port:
            for _ in range(3):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            assert asked(port)[0] == 200
            begun = time.monotonic()
        assert time.monotonic() - begun < served._TIMEOUT / 2


def test_who_says_nothing_is_let_go_after_a_while(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(served._Handler, "timeout", 0.05)
    assert sent(port, b"GET /met") == b""


def test_more_than_some_at_once_are_turned_away(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(served._CONNECTIONS_MAX):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        assert sent(port, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") == b""
    until = time.monotonic() + 10
    while b"200" not in sent(port, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
        assert time.monotonic() < until, "those that have gone make room"


def test_a_taken_port_is_an_error_before_the_job_begins() -> None:
    with serving(FAKE, [0], lambda line: None) as port:
        session = tw.Session(options={"metrics.reporter.prom.port": str(port)})
        seen: list[object] = []
        session.from_iter([(1,)], "a INT").write_callback(seen.append)
        with pytest.raises(ExternalError) as caught:
            session.run("j", mode="stream")
    assert (caught.value.code, caught.value.where, caught.value.found) == (
        "metrics-port",
        "127.0.0.1",
        "it is taken",
    )
    assert seen == []


def test_of_several_ports_the_first_free_one_is_taken() -> None:
    said: list[str] = []
    with serving(FAKE, [0], said.append) as taken, serving(FAKE, [taken, 0], said.append) as other:
        assert taken != other
        with pytest.raises(ExternalError) as caught, serving(FAKE, [taken, other], said.append):
            pass
    assert caught.value.found == "none of them is free"
    assert said == [f"metrics of the job hot: http://127.0.0.1:{port}/metrics" for port in (taken, other)]


@pytest.mark.parametrize(
    ("text", "ports"), [("9249", [9249]), ("0", [0]), (" 9250-9252 ", [9250, 9251, 9252])]
)
def test_ports_are_read(text: str, ports: list[int]) -> None:
    session = tw.Session(options={"metrics.reporter.prom.port": text})
    assert list(session.settings.get("metrics.reporter.prom.port")) == ports


@pytest.mark.parametrize(
    "text", ["", "-1", "65536", "9260-9250", "0-5", "9250-", "-9250", "x", "1-2-3", "1.5"]
)
def test_other_ports_are_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tw.Session(options={"metrics.reporter.prom.port": text})
    assert caught.value.code == "config-value"


@pytest.mark.parametrize(
    "option",
    [
        *("metrics.reporters", "metrics.reporter.prom.factory.class", "metrics.reporter.prom.class"),
        *("metrics.reporter.prom.filterLabelValueCharacters", "metrics.reporter.prom.host"),
        *("metrics.reporter.prom.interval", "metrics.latency.interval", "metrics.scope.task"),
    ],
)
def test_other_options_of_flink_s_reporter_mean_nothing(option: str) -> None:
    with pytest.warns(tw.IgnoredOptionWarning, match="means nothing here"):
        tw.Session(options={option: "prom"})


def test_a_job_serves_its_figures_while_it_runs() -> None:
    session = tw.Session(parallelism=1, options={"metrics.reporter.prom.port": "0"})
    said: list[str] = []
    HOOKS.say = said.append
    texts: list[str] = []

    def look(frame: object) -> None:
        del frame
        texts.append(asked(int(said[0].rpartition(":")[2].partition("/")[0]))[1])

    try:
        session.from_iter([(1,), (2,)], "a INT").write_callback(look)
        session.run("j", mode="stream")
    finally:
        HOOKS.reset()
    rows = [f for f in text_string_to_metric_families(texts[0]) if f"{f.name}_total" == m.ROWS_IN.name]
    assert {(s.labels["step"], s.value) for s in rows[0].samples} >= {("source1", 2)}
