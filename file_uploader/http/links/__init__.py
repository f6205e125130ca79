"""Links to a single file."""
