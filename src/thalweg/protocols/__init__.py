"""The plug-in seams: operator, source, sink, format, state, store."""
