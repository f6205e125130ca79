"""The index: what there is, in SQLite."""
