"""The blobs: content in files."""
