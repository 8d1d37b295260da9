"""The registry entries of the built-in functions, by topic."""
