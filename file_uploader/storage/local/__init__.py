"""The embedded store: an SQLite index and plain files under one directory."""

from file_uploader.storage.local.upkeep.backup import restore
from file_uploader.storage.local.upkeep.copies import Copied, Watcher

from .directory import has_store
from .store import LocalStorage

__all__ = ["Copied", "LocalStorage", "Watcher", "has_store", "restore"]
