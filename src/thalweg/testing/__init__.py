"""Conformance kits and a test kit for users, built on the public API and the protocols."""
