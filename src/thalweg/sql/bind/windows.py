"""Bind window functions in FROM: TUMBLE, HOP, CUMULATE and SESSION over a table.

Arguments come by place or by name, as in Flink: `TUMBLE(TABLE t, DESCRIPTOR(c), size [, offset])`,
`HOP(TABLE t, DESCRIPTOR(c), slide, size [, offset])`, `CUMULATE(TABLE t, DESCRIPTOR(c), step, size
[, offset])` and `SESSION(TABLE t [PARTITION BY k, …], DESCRIPTOR(c), gap)`.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from thalweg.errors import SqlError, ThalwegError
from thalweg.plan import build
from thalweg.plan.nodes import Plan
from thalweg.progress.sessions import SessionSpec
from thalweg.progress.windows import WindowKind, WindowSpec
from thalweg.sql import problems
from thalweg.sql.bind import literals
from thalweg.sql.bind.calls import function_name
from thalweg.sql.bind.context import placed
from thalweg.sql.grammar.tree import IntervalLiteral, NamedArgument, TableArgument
from thalweg.sql.source import span_of

_PARAMETERS = {
    "TUMBLE": ("DATA", "TIMECOL", "SIZE", "OFFSET"),
    "HOP": ("DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"),
    "CUMULATE": ("DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"),
    "SESSION": ("DATA", "TIMECOL", "GAP"),
}
_EXAMPLES = {
    "TUMBLE": "TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '10' SECOND)",
    "HOP": "HOP(TABLE t, DESCRIPTOR(time), INTERVAL '5' SECOND, INTERVAL '10' SECOND), slide before size",
    "CUMULATE": "CUMULATE(TABLE t, DESCRIPTOR(time), INTERVAL '5' SECOND, INTERVAL '10' SECOND), "
    "step before size",
    "SESSION": "SESSION(TABLE t PARTITION BY k, DESCRIPTOR(time), INTERVAL '10' SECOND)",
}
_KINDS: dict[str, WindowKind] = {"TUMBLE": "tumbling", "HOP": "hopping", "CUMULATE": "cumulating"}
_SHORTER = {"HOP": "SLIDE", "CUMULATE": "STEP"}
_POSSIBLE = "possible: TUMBLE, HOP, CUMULATE and SESSION"


def bind_window(node: exp.Expr, table_plan: Callable[[exp.Expr], Plan]) -> Plan:
    """The input of the window function with its window columns."""
    kind = node.this.name.upper()
    if kind not in _PARAMETERS:
        raise problems.meaning(
            f'there is no table function "{node.this.name}"',
            span_of(node.this),
            code="sql-unknown-function",
            hint=problems.near(kind, _PARAMETERS) or _POSSIBLE,
        )
    args = _by_name(node, kind)
    data, descriptor = args["DATA"], args["TIMECOL"]
    if not isinstance(data, TableArgument):
        raise _misfit(data, kind, "TABLE and a name, or a query, as the first argument")
    column = _time_column(descriptor, kind)
    partition = data.args.get("partition_by") or ()
    if partition and kind != "SESSION":
        raise problems.meaning(
            f"{kind} takes no PARTITION BY: its windows are the same for all rows",
            span_of(data),
            code="sql-window-arguments",
            hint="group by the column and the window",
        )
    plan = table_plan(data.this)
    if kind == "SESSION":
        keys = tuple(_partition_column(c, kind).name for c in partition)
        session = SessionSpec(window_length(args["GAP"], kind, is_length=True), keys)
        return placed(build.session(plan, column.name, session, where=span_of(column)), node)
    spec = _spec(node, kind, args)
    return placed(build.window(plan, column.name, spec, where=span_of(column)), node)


def _by_name(node: exp.Expr, kind: str) -> dict[str, exp.Expr]:
    """The arguments by their names; missing, unknown and repeated ones are errors."""
    names = _PARAMETERS[kind]
    found: dict[str, exp.Expr] = {}
    for i, arg in enumerate(node.expressions):
        if not isinstance(arg, NamedArgument):
            if i >= len(names) or any(isinstance(a, NamedArgument) for a in node.expressions[:i]):
                raise _misfit(arg, kind, f"at most {len(names)} arguments, those with names last")
            found[names[i]] = arg
            continue
        if arg.this not in names or arg.this in found:
            what = "given twice" if arg.this in found else "unknown"
            raise problems.meaning(
                f"the argument {arg.this} of {kind} is {what}",
                span_of(arg),
                code="sql-window-arguments",
                expected=", ".join(names),
                hint=problems.near(arg.this, names) if what == "unknown" else None,
            )
        found[arg.this] = arg.expression
    missing = [n for n in names if n not in found and n != "OFFSET"]
    if missing:
        raise problems.meaning(
            f"{kind} lacks its argument {missing[0]}",
            span_of(node),
            code="sql-window-arguments",
            expected=_EXAMPLES[kind],
        )
    return found


def _misfit(node: exp.Expr, kind: str, expected: str, example: str | None = None) -> SqlError:
    return problems.meaning(
        f"this argument does not fit {kind}",
        span_of(node),
        code="sql-window-arguments",
        expected=expected,
        hint=f"for example {example or _EXAMPLES[kind]}",
    )


def _time_column(node: exp.Expr, kind: str) -> exp.Identifier:
    is_descriptor = isinstance(node, exp.Anonymous) and function_name(node).upper() == "DESCRIPTOR"
    columns = node.expressions if is_descriptor else []
    if len(columns) != 1 or not isinstance(columns[0], exp.Column):
        raise _misfit(node, kind, "DESCRIPTOR(column) with one time column")
    name = columns[0].this
    if not isinstance(name, exp.Identifier):
        raise _misfit(node, kind, "DESCRIPTOR(column) with one time column")
    return name


def _partition_column(node: exp.Expr, kind: str) -> exp.Identifier:
    name = node.this if isinstance(node, exp.Column) else None
    if not isinstance(name, exp.Identifier):
        raise _misfit(node, kind, "PARTITION BY with columns of the table")
    return name


def _spec(node: exp.Expr, kind: str, args: dict[str, exp.Expr]) -> WindowSpec:
    size = window_length(args["SIZE"], kind, is_length=True)
    shorter = _SHORTER.get(kind)
    slide = size if shorter is None else window_length(args[shorter], kind, is_length=True)
    offset = window_length(args["OFFSET"], kind, is_length=False) if "OFFSET" in args else 0
    if shorter is not None and slide > size:
        raise problems.meaning(
            f"the {shorter.lower()} of {kind} is longer than its size"
            + (", so that rows between windows would be lost" if kind == "HOP" else ""),
            span_of(args[shorter]),
            code="sql-window-size",
            hint=_EXAMPLES[kind],
        )
    try:
        return WindowSpec(_KINDS[kind], size, slide, offset)
    except ThalwegError as error:
        raise error.located(span_of(node) or "") from None


def window_length(node: exp.Expr, kind: str, *, is_length: bool, example: str | None = None) -> int:
    """An interval in microseconds; a length must be above zero, an offset need not."""
    if not isinstance(node, IntervalLiteral):
        raise _misfit(node, kind, "an interval such as INTERVAL '10' SECOND", example)
    if node.args["unit"] in ("YEAR", "QUARTER", "MONTH"):
        raise problems.not_yet(
            "windows of months are", span_of(node), hint="windows of days and less have one length"
        )
    length = literals.micros(node)
    if is_length and length <= 0:
        raise problems.meaning("a window needs a length above zero", span_of(node), code="sql-window-size")
    if abs(length) >= 1 << 60:
        raise problems.meaning("this length is too large", span_of(node), code="sql-window-size")
    return length
