"""How a file comes to be in the bucket."""
