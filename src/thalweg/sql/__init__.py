"""From SQL text to a plan."""

from __future__ import annotations

from thalweg.sql.binder import Binder
from thalweg.sql.catalog import Catalog
from thalweg.sql.parse import parse
from thalweg.sql.statements import Statement

__all__ = ["Binder", "Catalog", "Statement", "parse"]
