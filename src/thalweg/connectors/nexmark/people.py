"""Build the members of person events.

Not here: what a person is (layout.py).
"""

from __future__ import annotations

import numpy as np

from thalweg.columnar.arrow import Column
from thalweg.connectors.nexmark.pools import CITIES, FIRST_NAME_COUNT, LAST_NAME_COUNT, NAMES, STATES
from thalweg.connectors.nexmark.slots import Slots
from thalweg.connectors.nexmark.texts import Pieces, cards, emails

_SIZE, _FIXED_SIZE = 200, 8
_EMAIL_MARGIN = 8
_CARD_SLOTS = range(6, 10)
_TEXTS = ("name", "emailAddress", "creditCard", "city", "state")


def person_members(slots: Slots, wanted: tuple[str, ...]) -> list[tuple[str, Column]]:
    """The wanted members of the persons of a batch."""
    # The filler depends on the length of every other string.
    needed = _TEXTS if "extra" in wanted else tuple(m for m in wanted if m in _TEXTS)
    texts = {name: _text(slots, name) for name in needed}
    if "extra" in wanted:
        used = np.add.reduce([texts[name].lengths for name in _TEXTS])
        texts["extra"] = slots.filler(12, _SIZE - _FIXED_SIZE - used)
    return [(name, _column(slots, name, texts)) for name in wanted]


def _column(slots: Slots, name: str, texts: dict[str, Pieces]) -> Column:
    if name == "id":
        return slots.own_id(slots.events.persons)
    return slots.own_time() if name == "dateTime" else slots.texts(texts[name])


def _text(slots: Slots, name: str) -> Pieces:
    if name == "name":
        first, last = slots.choose(0, FIRST_NAME_COUNT), slots.choose(1, LAST_NAME_COUNT)
        return NAMES.pieces(first * LAST_NAME_COUNT + last)
    if name == "emailAddress":
        local = slots.cut(slots.pools.spaced, 2, 7, _EMAIL_MARGIN).trimmed()
        return emails(local, slots.cut(slots.pools.spaced, 4, 5, _EMAIL_MARGIN).trimmed())
    if name == "creditCard":
        return cards(np.array([slots.choose(slot, 10_000) for slot in _CARD_SLOTS]))
    table, slot = (CITIES, 10) if name == "city" else (STATES, 11)
    return table.pieces(slots.choose(slot, len(table.offsets) - 1))
