"""The S3 store: any S3-compatible provider, nothing shared between nodes but the bucket."""

from .config import S3Config
from .store import S3Storage

__all__ = ["S3Config", "S3Storage"]
