"""The application as a server imports it: ``file_uploader.asgi:app``."""

from file_uploader.http.app import create_app

from .settings import load_settings

app = create_app(load_settings())
