"""The embedded store: an SQLite index and plain files under one directory."""

from .backup import restore
from .copies import Copied, Watcher
from .directory import has_store
from .store import LocalStorage

__all__ = ["Copied", "LocalStorage", "Watcher", "has_store", "restore"]
