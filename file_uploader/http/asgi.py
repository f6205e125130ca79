"""The application as a server imports it: ``file_uploader.http.asgi:app``."""

from file_uploader.settings import load_settings

from .app import create_app

app = create_app(load_settings())
