"""Checkpoints, sources and sinks in an object store, which is a real server on loopback."""
