"""The embedded store: an SQLite index and plain files under one directory."""

from .store import LocalStorage

__all__ = ["LocalStorage"]
