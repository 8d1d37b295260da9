"""Read and write raw memory inside compiled kernels.

numba has no pointers; these few intrinsics are the pointers of the JSON kernels. An address is an
int64. Nothing here checks bounds: the caller proves that an address may be read. The proof is always
the same: the text ends with a newline, no token of JSON contains one, and so every loop stops there;
wider loads look at `end` first.

Not here: what the bytes mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_BYTE, _WORD, _WIDE = ir.IntType(8), ir.IntType(64), ir.IntType(128)
_BLOCK = ir.VectorType(_BYTE, 32)
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
_F = TypeVar("_F", bound=Callable[..., Any])

Codegen = Callable[[Any, Any, Any, Any], Any]

I64 = types.int64
PAIR = types.UniTuple(types.int64, 2)
TRIPLE = types.UniTuple(types.int64, 3)
TABLE = types.Array(types.int64, 2, "C")
VECTOR = types.Array(types.int64, 1, "C")


def kernel(signature: Any, *, inline: bool = False) -> Callable[[_F], _F]:
    """Compile a function that only other compiled functions call.

    For exactly one signature, without the interpreter's lock, kept on disk. Functions come after those
    that they call, for they are compiled as they are read. What is kept on disk notices a change of the
    function's own file only: who edits a kernel that others call deletes `__pycache__` (`make clean`).
    """
    # Nothing to call it from Python is made: that would be two thirds of the time to compile it.
    decorate: Callable[[_F], _F] = njit(
        signature, **_OPTIONS, forceinline=inline, no_cpython_wrapper=True, no_cfunc_wrapper=True
    )
    return decorate


def entry(signature: Any) -> Callable[[_F], _F]:
    """Compile a function that Python calls."""
    decorate: Callable[[_F], _F] = njit(signature, **_OPTIONS)
    return decorate


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _intrinsic(codegen: Codegen, result: Any, *arguments: Any) -> Any:
    """An intrinsic of fixed types: `codegen(context, builder, signature, args)` writes its instructions."""
    signature = result(*arguments)
    if len(arguments) == 1:

        def typed_one(typing: Any, a: Any) -> tuple[Any, Codegen]:
            return signature, codegen

        return intrinsic(typed_one)

    def typed_two(typing: Any, a: Any, b: Any) -> tuple[Any, Codegen]:
        return signature, codegen

    return intrinsic(typed_two)


def _load8(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.zext(builder.load(_pointer(builder, args[0], _BYTE), align=1), _WORD)


def _load64(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.load(_pointer(builder, args[0], _WORD), align=1)


def _store8(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    builder.store(builder.trunc(args[1], _BYTE), _pointer(builder, args[0], _BYTE), align=1)
    return context.get_dummy_value()


def _store64(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    builder.store(args[1], _pointer(builder, args[0], _WORD), align=1)
    return context.get_dummy_value()


def _copy32(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    block = builder.load(_pointer(builder, args[1], _BLOCK), align=1)
    builder.store(block, _pointer(builder, args[0], _BLOCK), align=1)
    return context.get_dummy_value()


def _splat(byte: int) -> Any:
    return ir.Constant(_BLOCK, [byte] * 32)


def _mask(builder: Any, bits: Any) -> Any:
    return builder.zext(builder.bitcast(bits, ir.IntType(32)), _WORD)


def _special32(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    block = builder.load(_pointer(builder, args[0], _BLOCK), align=1)
    found = builder.icmp_unsigned("==", block, _splat(ord('"')))
    found = builder.or_(found, builder.icmp_unsigned("==", block, _splat(ord("\\"))))
    # As signed bytes, both control characters and everything beyond ASCII are less than a space.
    return _mask(builder, builder.or_(found, builder.icmp_signed("<", block, _splat(ord(" ")))))


def _newline32(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    block = builder.load(_pointer(builder, args[0], _BLOCK), align=1)
    return _mask(builder, builder.icmp_unsigned("==", block, _splat(10)))


def _trailing(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))


def _leading(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 1))


def _ones(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.ctpop(args[0])


def _high(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    product = builder.mul(builder.zext(args[0], _WIDE), builder.zext(args[1], _WIDE))
    return builder.trunc(builder.lshr(product, ir.Constant(_WIDE, 64)), _WORD)


def _bits(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.bitcast(args[0], _WORD)


load8 = _intrinsic(_load8, I64, I64)
"""`load8(address)`: the byte there, 0 to 255."""
load64 = _intrinsic(_load64, I64, I64)
"""`load64(address)`: eight bytes there, the first one lowest."""
store8 = _intrinsic(_store8, types.void, I64, I64)
"""`store8(address, value)`: write the lowest byte."""
store64 = _intrinsic(_store64, types.void, I64, I64)
"""`store64(address, value)`: write eight bytes."""
copy32 = _intrinsic(_copy32, types.void, I64, I64)
"""`copy32(to, from)`: copy 32 bytes."""
special32 = _intrinsic(_special32, I64, I64)
"""`special32(address)`: one bit for each of 32 bytes that ends a plain run inside a JSON string: a quote,
a backslash, a control character, anything beyond ASCII."""
newline32 = _intrinsic(_newline32, I64, I64)
"""`newline32(address)`: one bit for each of 32 bytes that is a newline."""
trailing_zeros = _intrinsic(_trailing, I64, I64)
"""`trailing_zeros(word)`: number of zero bits below the lowest one; the word is not 0."""
leading_zeros = _intrinsic(_leading, I64, I64)
"""`leading_zeros(word)`: number of zero bits above the highest one; the word is not 0."""
count_ones = _intrinsic(_ones, I64, I64)
"""`count_ones(word)`: number of bits that are set."""
multiply_high = _intrinsic(_high, types.uint64, types.uint64, types.uint64)
"""`multiply_high(a, b)`: the upper 64 bits of the unsigned product."""
float_bits = _intrinsic(_bits, I64, types.float64)
"""`float_bits(x)`: the 64 bits of a float."""
