"""So that a plain ``gunicorn app:app`` in a checkout is set up as it should be."""

from file_uploader.http.gunicorn_conf import *  # noqa: F403
