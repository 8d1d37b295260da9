"""Text as rows: CSV and JSON lines, cut into blocks, with line numbers and bad rows."""
