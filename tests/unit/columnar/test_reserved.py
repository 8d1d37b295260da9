"""Arrays that grow where they lie, and those that cannot."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from thalweg.columnar import allocation, reserved

INT = np.dtype(np.int64)
COUNT = reserved.SMALLEST // 8

pytestmark = pytest.mark.skipif(not reserved._is_offered(), reason="only where addresses cost nothing")


@pytest.fixture
def array() -> np.ndarray:
    made = allocation.zeros((COUNT, 1))
    made[:] = 7
    return made


def test_rows_stay_where_they_are(array: np.ndarray) -> None:
    more = allocation.grown(array, 3 * COUNT)
    assert more.shape == (3 * COUNT, 1)
    assert np.shares_memory(array, more)
    assert (more[:COUNT] == 7).all()
    assert not more[COUNT:].any()


def test_new_rows_hold_what_is_asked_for(array: np.ndarray) -> None:
    more = allocation.grown(array, COUNT + 2, -1)
    assert more[COUNT - 1 :].ravel().tolist() == [7, -1, -1]


def test_nobody_else_has_them(array: np.ndarray) -> None:
    more = allocation.grown(array, 2 * COUNT)
    # what grew already does not give the same rows again
    again = allocation.grown(array, 2 * COUNT)
    again[COUNT:] = 9
    assert not more[COUNT:].any()


def test_small_ones_are_copied() -> None:
    small = allocation.zeros(COUNT - 1)
    assert reserved.longer(small, 2 * COUNT) is None
    assert len(allocation.grown(small, 2 * COUNT)) == 2 * COUNT


@pytest.mark.parametrize("part", [np.s_[1:], np.s_[:-1], np.s_[::2], np.s_[:0]])
def test_a_part_is_copied(array: np.ndarray, part: slice) -> None:
    assert reserved.longer(array[part], 2 * COUNT) is None
    more = allocation.grown(array[part], 2 * COUNT)
    assert not np.shares_memory(array, more)


def test_without_room_behind_it_is_copied(array: np.ndarray) -> None:
    assert reserved.longer(array, 65 * COUNT) is None


def test_arrays_outlive_what_they_grew_from() -> None:
    array = allocation.zeros(COUNT)
    more = allocation.grown(array, 2 * COUNT)
    del array
    more[:] = 1
    assert int(more.sum()) == 2 * COUNT


def test_few_addresses_are_no_error() -> None:
    """A limit on addresses, as `ulimit -v` sets it: arrays are numpy's then."""
    program = (
        "import resource; import numpy as np; from thalweg.columnar import allocation, reserved\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.RLIM_INFINITY))\n"
        "array = allocation.zeros(16 << 20)\n"
        "more = allocation.grown(array, 32 << 20)\n"
        "print(reserved.longer(more, 64 << 20), len(more), more.any())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", str(32 << 20), "False"]
