"""Files and lists of them."""
