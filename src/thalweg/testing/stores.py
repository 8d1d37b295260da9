"""Check a store of checkpoints against its contract, also from several threads and where answers get lost.

Each handle is made anew, as that of another process would be.

Reads:    what the store gives back.
Not here: the lines (checkpoint/store.py), crashes: a simulated disk and kills are for those.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from thalweg.checkpoint.store import Store
from thalweg.errors import StoreError
from thalweg.testing.contract import check, must_work

MakeStore = Callable[[], Store]
LosesAnswers = Callable[[], AbstractContextManager[object]]
_WRITERS, _ROUNDS = 4, 6
_BYTES = 300_000


def check_store(make: MakeStore, loses_answers: LosesAnswers | None = None) -> None:
    """Run a store against T1 to T6.

    Args:
        make: makes a handle of one place, the same each time, at which nothing is kept yet.
        loses_answers: while it is entered, what is written is there, and whoever has written it is told that
            it failed; None: the store cannot be made to do so.

    Raises:
        ConformanceError: names the line that is broken.
    """
    _whole(make)
    _new(make)
    _missing(make())
    _listed(make)
    _forgotten(make)
    if loses_answers is not None:
        _lost(make, loses_answers)


def _whole(make: MakeStore) -> None:
    """Bytes that are replaced again and again are those of one writer whenever somebody reads them."""
    texts = [bytes([65 + n]) * _BYTES for n in range(_ROUNDS)]
    make().put("a/whole", texts[0])
    has_ended = threading.Event()

    def write() -> None:
        try:
            for text in texts:
                make().put("a/whole", text)
        finally:
            has_ended.set()

    with ThreadPoolExecutor(1) as pool, must_work("T1", "put while another reads"):
        written = pool.submit(write)
        while True:
            # looked at before reading: what is read last comes after the last write
            is_last = has_ended.is_set()
            found = make().get("a/whole")
            kinds = f"{len(found)} bytes of {sorted(set(found))}"
            check(found in texts, "T1", "get while another puts", expected="all of one put", found=kinds)
            if is_last:
                break
        written.result()
    check(found == texts[-1], "T1", "get after the last put", expected=texts[-1][:1], found=found[:1])
    check(make().get("a/whole") == texts[-1], "T1", "get by another handle")
    check(make().digest("a/whole") == hashlib.sha256(texts[-1]).hexdigest(), "T3", "digest")
    for size in (0, 1, 12_000_000):
        make().put("a/sized", b"x" * size)
        found = make().get("a/sized")
        check(found == b"x" * size, "T1", f"put of {size} bytes", found=f"{len(found)} bytes")


def _new(make: MakeStore) -> None:
    """Of several that write at the same time one wins, also if all write the same bytes."""
    for number in range(_ROUNDS):
        name = f"b/new-{number}"
        texts = [b"same" if number % 2 else f"writer {w}".encode() for w in range(_WRITERS)]
        begin = threading.Barrier(_WRITERS)

        def write(text: bytes, name: str = name, begin: threading.Barrier = begin) -> bool:
            store = make()
            begin.wait()
            return store.put_new(name, text)

        with ThreadPoolExecutor(_WRITERS) as pool, must_work("T2", f"{_WRITERS} put_new at a time"):
            won = list(pool.map(write, texts))
        check(sum(won) == 1, "T2", f"{_WRITERS} put_new at a time", expected="one is true", found=won)
        found = make().get(name)
        check(found == texts[won.index(True)], "T2", "get after put_new", found=found)
        again = make().put_new(name, b"late")
        check(not again and make().get(name) == found, "T2", "put_new of a name that is taken", found=again)


def _missing(store: Store) -> None:
    for name in ("a", "a/none", "none/at/all"):
        for what, ask in (("get", store.get), ("digest", store.digest)):
            raised = False
            try:
                ask(name)
            except KeyError:
                raised = True
            check(raised, "T3", f"{what} of {name}, which was not put", expected="KeyError")


def _listed(make: MakeStore) -> None:
    names = [f"{n:03}-é %3A=x" for n in range(40)]
    for name in reversed(names):
        make().put(f"c/{name}", b"")
        check(name in make().names("c"), "T4", "names after put", expected=name)
    make().put("c/inner/one", b"")
    make().put("cc/other", b"")
    expected = sorted([*names, "inner"])
    found = make().names("c")
    check(found == expected, "T4", "names", expected=expected[:3], found=found[:3])
    check(make().names("none") == [], "T4", "names below what is not there", found=make().names("none"))
    check({"a", "b", "c", "cc"} <= set(make().names("")), "T4", "names of all", found=make().names(""))


def _forgotten(make: MakeStore) -> None:
    store = make()
    for name in ("d/1", "d/10", "d/2/inner"):
        store.put(name, name.encode())
    store.tidy("d")
    store.settle("d")
    check(make().names("d") == ["1", "10", "2"], "T5", "names after tidy", found=make().names("d"))
    with must_work("T5", "delete of what is not there"):
        store.delete("d/none")
    store.delete("d/1")
    check(make().names("d") == ["10", "2"], "T5", "names after delete", found=make().names("d"))
    check(make().get("d/10") == b"d/10", "T5", "get of another name after delete")
    age = store.age("d/10")
    check(0 <= age < 3600, "T5", "age of what was just written", found=age)
    check(store.put_new("d/1", b"again"), "T5", "put_new after delete", found=False)


def _lost(make: MakeStore, loses_answers: LosesAnswers) -> None:
    """What is written is there although its writer is told that it failed."""
    make().put("e/old", b"old")
    is_mine: bool | None = None
    with loses_answers():
        for name, call in (("e/old", make().put), ("e/new", make().put)):
            with must_work("T6", "put whose answer got lost"):
                try:
                    call(name, b"new")
                except StoreError:
                    continue
            check(make().get(name) == b"new", "T6", "put that says it has worked")
        try:
            is_mine = make().put_new("e/mine", b"mine")
        except StoreError:
            is_mine = None
    check(make().get("e/old") in (b"old", b"new"), "T6", "get after a put that failed")
    check(is_mine is not False, "T6", "put_new whose answer got lost", expected="true, or a StoreError")
    if is_mine:
        check(make().get("e/mine") == b"mine", "T6", "get after put_new")
        check(not make().put_new("e/mine", b"mine"), "T2", "put_new of a name that is taken")


__all__ = ["check_store"]
