"""Write definitions back as SQL, the way Flink's SHOW CREATE does: one part per line, names in backticks.

What comes out can be read again, and then defines the same.

Not here: which definition is meant (session/).
"""

from __future__ import annotations

from collections.abc import Iterator

from thalweg.base import types as t
from thalweg.sql.source import verbatim
from thalweg.sql.statements import Column, ComputedColumn, CreateTable, CreateView


def shown(definition: CreateTable | CreateView) -> str:
    """The statement that defines a table or a view.

    Example:
        >>> from thalweg.sql.parse import parse
        >>> print(shown(parse("create table t (a int, b as a + 1) with ('connector' = 'print')")[0]))
        CREATE TABLE `t` (
          `a` INT,
          `b` AS a + 1
        ) WITH (
          'connector' = 'print'
        )
    """
    return _table(definition) if isinstance(definition, CreateTable) else _view(definition)


def _view(view: CreateView) -> str:
    items = [] if view.columns is None else [_names(view.columns)]
    if view.primary_key:
        items.append(_key(view.primary_key))
    columns = f" ({', '.join(items)})" if items else ""
    return f"{_head(view)}VIEW {_name(view.name)}{columns}{_comment(view.comment)} AS\n{verbatim(view.query)}"


def _table(table: CreateTable) -> str:
    parts = [f"{_head(table)}TABLE {_name(table.name)}"]
    body = list(_body(table))
    if body:
        parts.append(f" {_wrapped(body)}")
    parts.append(_comment(table.comment))
    if table.partitioned_by:
        parts.append(f" PARTITIONED BY ({_names(table.partitioned_by)})")
    if table.options:
        parts.append(f" WITH {_wrapped([f'{_text(k)} = {_text(v)}' for k, v in table.options.items()])}")
    return "".join(parts)


def _head(definition: CreateTable | CreateView) -> str:
    return "CREATE TEMPORARY " if definition.is_temporary else "CREATE "


def _body(table: CreateTable) -> Iterator[str]:
    """What stands between the parentheses."""
    yield from map(_column, table.columns)
    if table.watermark is not None:
        yield f"WATERMARK FOR {_name(table.watermark.column)} AS {verbatim(table.watermark.expression)}"
    if table.primary_key:
        yield _key(table.primary_key)


def _key(names: tuple[str, ...]) -> str:
    return f"PRIMARY KEY ({_names(names)}) NOT ENFORCED"


def _column(column: Column) -> str:
    name, comment = _name(column.name), _comment(column.comment)
    if isinstance(column, ComputedColumn):
        return f"{name} AS {verbatim(column.expression)}{comment}"
    return f"{name} {type_name(column.type)}{'' if column.is_nullable else ' NOT NULL'}{comment}"


def type_name(held: t.DataType) -> str:
    """The name of a type, with the names of fields in backticks."""
    if isinstance(held, t.List):
        return f"ARRAY<{type_name(held.item)}>"
    if isinstance(held, t.Map):
        return f"MAP<{type_name(held.key)}, {type_name(held.value)}>"
    if isinstance(held, t.Struct):
        return f"ROW<{', '.join(f'{_name(f.name)} {type_name(f.type)}' for f in held.fields)}>"
    return str(held)


def _wrapped(parts: list[str]) -> str:
    return "(\n  " + ",\n  ".join(parts) + "\n)"


def _comment(text: str | None) -> str:
    return "" if text is None else f" COMMENT {_text(text)}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(map(_name, names))


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
