"""Files as sources and as sinks: Parquet, Arrow, CSV and JSON lines."""

from thalweg.connectors.files.sink import FileSink
from thalweg.connectors.files.source import FileSource, file_source

__all__ = ["FileSink", "FileSource", "file_source"]
