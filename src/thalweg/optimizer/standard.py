"""List the built-in rules, in the order in which they are applied.

Expressions first, then filters, then projections; the rules for all plans of a job come last, when it is
known what is used. Every round goes through the whole list, until a round changes nothing.
"""

from __future__ import annotations

from thalweg.optimizer.optimize import Rule
from thalweg.optimizer.rules.close_groups import close_groups
from thalweg.optimizer.rules.drop_key import drop_key
from thalweg.optimizer.rules.drop_trivial_projection import drop_trivial_projection
from thalweg.optimizer.rules.drop_watermark import drop_watermark
from thalweg.optimizer.rules.find_join_keys import find_join_keys
from thalweg.optimizer.rules.fold_constants import fold_constants
from thalweg.optimizer.rules.group_by_day import group_by_day
from thalweg.optimizer.rules.merge_filters import merge_filters
from thalweg.optimizer.rules.merge_projections import merge_projections
from thalweg.optimizer.rules.merge_rank_filter import merge_rank_filter
from thalweg.optimizer.rules.project_before_filter import project_before_filter
from thalweg.optimizer.rules.project_before_union import project_before_union
from thalweg.optimizer.rules.propagate_constants import propagate_constants
from thalweg.optimizer.rules.prune_columns import prune_columns
from thalweg.optimizer.rules.push_condition_into_join import push_condition_into_join
from thalweg.optimizer.rules.push_filter_down import push_filter_down
from thalweg.optimizer.rules.push_filter_into_source import push_filter_into_source
from thalweg.optimizer.rules.simplify import simplify

RULES: tuple[Rule, ...] = (
    fold_constants,
    simplify,
    push_filter_down,
    find_join_keys,
    push_condition_into_join,
    close_groups,
    drop_key,
    merge_filters,
    merge_rank_filter,
    merge_projections,
    propagate_constants,
    group_by_day,
    project_before_filter,
    project_before_union,
    drop_watermark,
    prune_columns,
    push_filter_into_source,
    drop_trivial_projection,
)
