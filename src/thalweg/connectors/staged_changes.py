"""Hold the changes of an epoch for a checkpoint, which keeps them until they are committed.

For sinks whose commit writes rows in one transaction, such as databases.

Not here: the transaction (the sinks), the files that a checkpoint keeps rows in (checkpoint/).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.columnar.outside import handed_out
from thalweg.connectors.changes import between_cuts, visible


class StagedChanges:
    """A `StagingWriter` whose parts are frames of changes, in the order of `between_cuts`.

    Args:
        schema: the columns.
        key: those that tell rows apart; without them the sink only takes rows that stay.
    """

    def __init__(self, schema: Schema, key: Sequence[str]) -> None:
        self._schema, self._key = schema, key
        self._pending: list[Batch] = []

    def write(self, batch: Batch) -> None:
        """Hold rows."""
        if len(batch):
            self._pending.append(visible(batch, self._schema))

    def cut(self, number: int) -> None:
        """Nothing is shown before a checkpoint."""

    def end(self) -> None:
        """Nothing is shown before a checkpoint."""

    def stage(self) -> list[Any]:
        """What the changes since the last call come to."""
        pending = self.take()
        if not pending:
            return []
        changes = handed_out(between_cuts(pending, self._key), self._schema)
        return [changes] if changes.height else []

    def take(self) -> list[Batch]:
        """What was held since the last call."""
        pending, self._pending = self._pending, []
        return pending

    def close(self) -> None:
        """Forget what is held."""
        self._pending = []
