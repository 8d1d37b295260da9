"""One rewriting rule per module."""
