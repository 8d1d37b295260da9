"""Run the compiled decoder over one text, and make columns of what it leaves.

Reads:    a program and a text that ends with a newline.
Changes:  nothing outside.
Not here: the kernels (lines.py), values that need Python (finish.py), the wording of faults (faults.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from thalweg.columnar.arrow import Column, to_series
from thalweg.columnar.json import lines as compiled
from thalweg.columnar.json import program as layout
from thalweg.columnar.json.faults import sample_of, syntax_message, type_message
from thalweg.columnar.json.finish import finish_raw, finish_slow
from thalweg.columnar.json.numbers import FAULT, GOOD
from thalweg.columnar.json.program import Node, Program
from thalweg.columnar.json.scan import NAME_PLACE
from thalweg.columnar.json.text import PADDING
from thalweg.columnar.json.tokens import find_newline

Array = np.ndarray[Any, Any]
Fault = tuple[int, int, str, str]
"""Line and offset, both from 0, message, sample: what a `BadLine` is made of."""

_FORMATS: dict[type[pl.DataType], tuple[str, str]] = {
    pl.Int8: ("c", "i1"),
    pl.Int16: ("s", "i2"),
    pl.Int32: ("i", "i4"),
    pl.Int64: ("l", "i8"),
    pl.UInt8: ("C", "u1"),
    pl.UInt16: ("S", "u2"),
    pl.UInt32: ("I", "u4"),
    pl.UInt64: ("L", "u8"),
    pl.Float32: ("f", "f4"),
    pl.Float64: ("g", "f8"),
    pl.Date: ("tdD", "i4"),
    pl.Time: ("ttn", "i8"),
}
_UNITS = {"ms": "tsm", "us": "tsu", "ns": "tsn"}


class Run:
    """One text, decoded."""

    def __init__(self, program: Program, text: Array) -> None:
        self._program, self._text = program, text
        self._base = text.ctypes.data
        capacity = compiled.count_lines(self._base, self._base + len(text))
        self._nodes = program.nodes.copy()
        self._marks = np.empty((len(program.tree), capacity), dtype=np.uint8)
        self._values = [self._allocate(node, capacity) for node in program.tree]
        self._notes = np.empty((compiled.NOTES, capacity), dtype=np.int64)
        self._counts = np.zeros(4, dtype=np.int64)
        # A member name written with escapes only is six times as long as the name.
        name_words = program.longest_name + 8
        scratch = np.full(NAME_PLACE + name_words, (name_words - 1) * 8, dtype=np.int64)
        end = self._base + len(text)
        compiled.decode_lines(self._base, end, self._nodes, self._notes, self._counts, scratch)
        self._rows = int(self._counts[compiled.COUNT_ROWS])
        self._faulty: dict[int, Node] = {}

    def _allocate(self, node: Node, capacity: int) -> tuple[Array, Array]:
        """Room for a node's values and its text; the kernel learns the addresses."""
        words = {layout.STRUCT: 0, layout.STRING: 2, layout.RAW: 2}.get(node.kind, 1)
        values = np.empty(capacity * words, dtype=np.int64)
        text = np.empty(len(self._text) + PADDING if words == 2 else 0, dtype=np.uint8)
        row = self._nodes[node.number]
        row[layout.VALID] = self._marks[node.number].ctypes.data
        row[layout.VALUES], row[layout.TEXT] = values.ctypes.data, text.ctypes.data
        return values, text

    def frame(self) -> pl.DataFrame:
        """The rows, those with a value of another type included."""
        root = self._program.tree[0]
        if root.children and not root.is_finished_in_python:
            frame = to_series("", self._column(root)).struct.unnest()
        else:
            columns = [self._series(self._program.tree[child]) for child in root.children]
            frame = pl.DataFrame(columns) if columns else pl.DataFrame(height=self._rows)
        # What Python was left to finish may turn out to be faulty too.
        if self._counts[compiled.COUNT_FAULTS] or self._nodes[:, layout.SLOW].any():
            for node in self._program.tree:
                self._add_faults(node, self._marks[node.number, : self._rows] == FAULT)
        return frame

    def lines(self) -> Array:
        """The line of each row, from 0."""
        return self._notes[compiled.ROW_LINE, : self._rows]

    def faults(self) -> dict[int, Fault]:
        """What is wrong with rows whose line is JSON; known once the frame is made."""
        found = {}
        for row, node in self._faulty.items():
            line, start = self._notes[[compiled.ROW_LINE, compiled.ROW_START], row].tolist()
            content = self._line_at(start)
            message = type_message(content, node.path, node.dtype)
            found[row] = line, start - self._base, message, sample_of(content)
        return found

    def syntax_errors(self) -> list[Fault]:
        """What is wrong with the lines that are not JSON."""
        found = []
        bad = self._notes[compiled.BAD_LINE :, : self._counts[compiled.COUNT_BAD]]
        for line, start, code, place in bad.T.tolist():
            is_end = bool(self._text[place - self._base] == 10)
            message = syntax_message(code, place - start + 1, is_end=is_end)
            found.append((line, start - self._base, message, sample_of(self._line_at(start))))
        return found

    def _line_at(self, address: int) -> bytes:
        stop = find_newline(address, self._base + len(self._text))
        return self._text[address - self._base : stop - self._base].tobytes()

    def _add_faults(self, node: Node, is_faulty: Array) -> None:
        for row in np.flatnonzero(is_faulty).tolist():
            self._faulty.setdefault(row, node)

    def _series(self, node: Node) -> pl.Series:
        name = node.path[-1]
        if not node.is_finished_in_python:
            return to_series(name, self._column(node))
        is_there = pl.Series("is_there", self._marks[node.number, : self._rows] == GOOD)
        if node.kind == layout.STRUCT:
            members = [self._series(self._program.tree[child]) for child in node.children]
            struct = pl.DataFrame(members).to_struct(name)
            return struct if is_there.all() else struct.to_frame().select(pl.when(is_there).then(name))[name]
        finished = finish_raw(to_series(name, self._column(node)), node.dtype)
        self._add_faults(node, (finished.is_null() & is_there).to_numpy())
        return finished

    def _column(self, node: Node) -> Column:
        marks = self._marks[node.number, : self._rows]
        if node.kind == layout.STRUCT:
            members = [self._program.tree[child] for child in node.children]
            children = [(member.path[-1], self._column(member)) for member in members]
            return Column("+s", self._rows, [_validity(marks)], children)
        values, text = self._values[node.number]
        if node.kind in (layout.STRING, layout.RAW):
            # Gives the unused rest back without a copy.
            text.resize(int(self._nodes[node.number, layout.USED]), refcheck=False)
            sizes = np.array([len(text)], dtype=np.int64)
            return Column("vu", self._rows, [_validity(marks), values[: 2 * self._rows], text, sizes])
        values = values[: self._rows]
        if self._nodes[node.number, layout.SLOW]:
            finish_slow(self._text, self._base, values, marks, node.dtype)
        kind, buffer = _narrowed(values, node)
        return Column(kind, self._rows, [_validity(marks), buffer])


def _validity(marks: Array) -> Array | None:
    is_good = marks == GOOD
    return None if is_good.all() else np.packbits(is_good, bitorder="little")


def _narrowed(values: Array, node: Node) -> tuple[str, Array]:
    """The Arrow format of a type, and 64-bit values in it."""
    if isinstance(node.dtype, pl.Datetime):
        return f"{_UNITS[node.dtype.time_unit]}:{node.dtype.time_zone or ''}", values
    if node.kind == layout.BOOLEAN:
        return "b", np.packbits(values.astype(np.bool_), bitorder="little")
    kind, word = _FORMATS[type(node.dtype)]
    if node.kind == layout.FLOAT:
        with np.errstate(over="ignore"):  # too large for 32 bits: infinite
            return kind, values.view(np.float64).astype(word, copy=False)
    return kind, values.view(np.uint64) if word == "u8" else values.astype(word, copy=False)
