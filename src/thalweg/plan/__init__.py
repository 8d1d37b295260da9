"""What a program means: immutable relational nodes."""
