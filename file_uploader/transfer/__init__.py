"""Bytes on their way, and what goes on behind a request."""
