"""Looking after the bucket: what is in it, what is left over."""
