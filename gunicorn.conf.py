"""So that a plain ``gunicorn app:app`` in a checkout is set up as it should be."""

from file_uploader.server.configuration import *  # noqa: F403
