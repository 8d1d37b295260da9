"""Compile a kernel once, for exactly the types it declares, and load and store words at addresses.

Importing this module loads the compiler: import modules with kernels only where a stateful operator is
built. Kernels are cached on disk beside their source file; the cache of a kernel does not notice a change
in a helper of another file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


_OPTIONS = {"nogil": True, "boundscheck": False, "error_model": "numpy", "_nrt": False}
"""Without numba's runtime, which counts who refers to an array, with atomic steps, at every call of a helper:
20 of 26 ns of a row of the kernel that merges sessions. So kernels make no arrays: their callers do."""


def kernel(*signatures: str) -> Callable[[Kernel], Kernel]:
    """Compile a function for its signatures (one, as a rule), without Python's lock and bounds checks."""
    return numba.njit(list(signatures), cache=True, **_OPTIONS)


def helper(function: Kernel) -> Kernel:
    """A function that kernels call; compiled into them."""
    return numba.njit(function, **_OPTIONS)


@intrinsic
def load_word(typing: Any, address: Any) -> Any:
    """The 8 bytes at an address, aligned or not, as uint64 (little endian)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(types.uint64), generate


@intrinsic
def store_word(typing: Any, address: Any, word: Any) -> Any:
    """Write 8 bytes to an address, aligned or not."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store(arguments[1], pointer, align=1)
        return context.get_dummy_value()

    return types.void(types.uint64, types.uint64), generate


@intrinsic
def prefetch(typing: Any, address: Any) -> Any:
    """Have the processor fetch what is at an address, while it goes on; any address will do."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        # to be read, and to stay in all caches
        builder.call(function, [builder.inttoptr(arguments[0], byte), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(types.uint64), generate
