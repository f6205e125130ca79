"""So that ``gunicorn app:app`` serves the application from a checkout."""

from file_uploader.http.asgi import app

__all__ = ["app"]
