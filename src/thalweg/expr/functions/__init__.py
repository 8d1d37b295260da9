"""The registry entries of the built-in functions, by topic; importing this registers them all."""

from thalweg.expr.functions import (
    arithmetic,
    codes,
    comparison,
    items,
    json,
    json_build,
    logic,
    mathematics,
    nested,
    overlaying,
    patterns,
    rounding,
    strings,
    time_text,
    time_units,
)

__all__: list[str] = [
    "arithmetic",
    "codes",
    "comparison",
    "items",
    "json",
    "json_build",
    "logic",
    "mathematics",
    "nested",
    "overlaying",
    "patterns",
    "rounding",
    "strings",
    "time_text",
    "time_units",
]
