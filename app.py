"""So that ``gunicorn app:app`` serves the application from a checkout."""

from file_uploader.asgi import app

__all__ = ["app"]
