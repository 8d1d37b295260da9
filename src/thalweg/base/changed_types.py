"""Tell whether values that were kept as one type can be read as another one, without asking anybody.

Types are plain data here, as a checkpoint keeps them: a name, or a list of a name and its parts; of a class,
its fields by name, those with a default marked.

Not here: the types of Python (codecs.py), changing values that cannot be read (state/migration.py).
"""

from __future__ import annotations

from typing import Any

Shape = Any
"""`"int"`, `["list", "int"]`, `["|", "int", "None"]`, `{"Visit": {"page": "str", "times?": "int"}}`."""


def unfit(old: Shape, new: Shape, place: str = "") -> str | None:
    """Why values of the old type cannot be read as the new one; None: they can.

    Example:
        >>> unfit("int", "float"), unfit("int", ["|", "int", "None"])
        (None, None)
        >>> unfit({"Visit": {"page": "str"}}, {"Visit": {"page": "str", "times?": "int"}})
        >>> unfit({"Visit": {"page": "str"}}, {"Visit": {"page": "str", "times": "int"}})
        'the field "times" is new and has no default'
        >>> unfit(["list", {"Visit": {"page": "str", "n": "int"}}], ["list", {"Visit": {"page": "int"}}])
        'the field "n" is gone'
    """
    if old == new or (old, new) == ("int", "float"):
        return None
    choices = _parts(new, "|")
    if choices is not None:
        mine = _parts(old, "|") or [old]
        if all(any(unfit(part, choice) is None for choice in choices) for part in mine):
            return None
        return _differ(old, new, place)
    if isinstance(old, list) and isinstance(new, list) and old[0] == new[0] and len(old) == len(new):
        found = (unfit(a, b, place) for a, b in zip(old[1:], new[1:], strict=True))
        return next((why for why in found if why is not None), None)
    if isinstance(old, dict) and isinstance(new, dict):
        return _unfit_fields(next(iter(old.values())), next(iter(new.values())), place)
    return _differ(old, new, place)


def _unfit_fields(old: dict[str, Shape], new: dict[str, Shape], place: str) -> str | None:
    """The same for the fields of two classes, whatever these are called."""
    before, after = ({name.rstrip("?"): held for name, held in fields.items()} for fields in (old, new))
    for name in before:
        if name not in after:
            return f'the field "{place}{name}" is gone'
    for name in after:
        if name not in before and f"{name}?" not in new:
            return f'the field "{place}{name}" is new and has no default'
    found = (unfit(before[n], after[n], f"{place}{n}.") for n in after if n in before)
    return next((why for why in found if why is not None), None)


def _parts(shape: Shape, kind: str) -> list[Shape] | None:
    return shape[1:] if isinstance(shape, list) and shape[0] == kind else None


def _differ(old: Shape, new: Shape, place: str) -> str:
    what = f'the field "{place[:-1]}"' if place else "it"
    return f"{what} was {shown(old)}, and is {shown(new)} now"


def shown(shape: Shape) -> str:
    """A type in words.

    Example:
        >>> shown(["dict", "str", ["|", {"Visit": {"page": "str"}}, "None"]])
        'dict[str, Visit | None]'
    """
    if isinstance(shape, dict):
        return str(next(iter(shape)))
    if isinstance(shape, list):
        if shape[0] == "|":
            return " | ".join(map(shown, shape[1:]))
        return f"{shape[0]}[{', '.join(map(shown, shape[1:]))}]"
    return str(shape)
