"""Header fields and targets: pure parsing."""
