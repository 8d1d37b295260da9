"""The fluent API: datasets, expressions, windows and user's functions."""

from thalweg.api import functions, windowing
from thalweg.api.aggregates import (
    approx_count_distinct,
    array_agg,
    avg,
    collect,
    count,
    cume_dist,
    first_value,
    grouping,
    lag,
    last_value,
    lead,
    listagg,
    max,  # noqa: A004 - written tw.max
    mean,
    min,  # noqa: A004 - written tw.min
    ntile,
    percent_rank,
    stddev_pop,
    stddev_samp,
    sum,  # noqa: A004 - written tw.sum
    var_pop,
    var_samp,
)
from thalweg.api.calls import call, coalesce, col, lit, proctime
from thalweg.api.conditions import when
from thalweg.api.dataset import Dataset
from thalweg.api.expressions import AggregateExpression, Expression
from thalweg.api.frames import to_frame
from thalweg.api.grouped import GroupedDataset, WindowedDataset
from thalweg.api.ordering import asc, desc
from thalweg.api.process import BroadcastDataset, ConnectedDataset, KeyedDataset
from thalweg.api.process_functions import (
    Broadcast,
    BroadcastColumnFunction,
    BroadcastProcessFunction,
    CoColumnFunction,
    ColumnFunction,
    CoProcessFunction,
    ProcessFunction,
    keep,
)
from thalweg.api.protocol import SessionLike
from thalweg.api.types import data_type, schema_of
from thalweg.api.user_functions import UserFunction, udf
from thalweg.api.windows import WINDOW, cumulating, hopping, sessions, sliding, tumbling

__all__ = [
    "Dataset",
    "GroupedDataset",
    "Broadcast",
    "BroadcastColumnFunction",
    "BroadcastDataset",
    "BroadcastProcessFunction",
    "CoColumnFunction",
    "CoProcessFunction",
    "ColumnFunction",
    "ConnectedDataset",
    "KeyedDataset",
    "ProcessFunction",
    "keep",
    "WindowedDataset",
    "SessionLike",
    "Expression",
    "AggregateExpression",
    "col",
    "lit",
    "when",
    "coalesce",
    "call",
    "proctime",
    "functions",
    "windowing",
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "approx_count_distinct",
    "array_agg",
    "collect",
    "cume_dist",
    "first_value",
    "grouping",
    "lag",
    "last_value",
    "ntile",
    "percent_rank",
    "lead",
    "listagg",
    "stddev_pop",
    "stddev_samp",
    "var_pop",
    "var_samp",
    "asc",
    "desc",
    "tumbling",
    "hopping",
    "sliding",
    "cumulating",
    "sessions",
    "WINDOW",
    "udf",
    "UserFunction",
    "data_type",
    "schema_of",
    "to_frame",
]
