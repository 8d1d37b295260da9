"""JSON lines to columns, only the members that are needed."""

from thalweg.columnar.json.decoder import Decoded, JsonDecoder, split_complete
from thalweg.columnar.json.faults import BadLine

__all__ = ["JsonDecoder", "Decoded", "BadLine", "split_complete"]
