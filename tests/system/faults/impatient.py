"""The application with a fifth of its patience with S3: what takes it a minute takes it seconds.

As a program it is what gunicorn serves in place of ``app:app``; everything else is as it is.
"""

from __future__ import annotations

from file_uploader.asgi import app
from file_uploader.storage.s3.client import client

client.READ_TIMEOUT /= 5
client.LABOUR_TIMEOUT /= 5
client.PATIENCE /= 5
client.SILENCE /= 5
client.LOOK = 2

__all__ = ["app"]
