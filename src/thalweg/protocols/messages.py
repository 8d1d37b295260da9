"""Name what travels on an edge: batches, watermarks, barriers, and the end.

Nothing else does. Messages are values that round-trip through bytes; no receiver may rely on their
identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from thalweg.columnar.batch import Batch


@dataclass(frozen=True, slots=True)
class Watermark:
    """No row that is not late will have a time before `time` (microseconds); None: the input is idle."""

    time: int | None


@dataclass(frozen=True, slots=True)
class Barrier:
    """The mark of cut `number`; a `checkpoint` is a cut whose state is saved.

    Behind it no row follows of a split before `first_open`, as the SPLIT column numbers them.
    """

    number: int
    kind: Literal["cut", "checkpoint"] = "cut"
    first_open: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """No message follows."""


Message = Batch | Watermark | Barrier | End
