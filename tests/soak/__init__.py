"""Everything that takes too long for each change, for as long as there is time."""
