"""The building blocks that everything else stands on: types, schemas, durations."""
