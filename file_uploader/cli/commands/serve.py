"""``serve``: gunicorn, with the settings of the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from file_uploader.errors import ConfigurationError
from file_uploader.settings import load_settings


def serve(gunicorn_arguments: Sequence[str]) -> int:
    """Serve until stopped; further arguments are gunicorn's own."""
    try:
        # gunicorn reads this variable itself, when it is imported, and only takes a number.
        os.environ["WEB_CONCURRENCY"] = str(load_settings().web_concurrency)
    except ConfigurationError as error:
        print(f"file-uploader: {error}", file=sys.stderr)
        return 1
    from gunicorn.app.wsgiapp import WSGIApplication  # noqa: PLC0415 (slow to import)

    conf = "python:file_uploader.server.configuration"
    sys.argv = ["file-uploader", "-c", conf, *gunicorn_arguments, "file_uploader.asgi:app"]
    WSGIApplication("%(prog)s [OPTIONS]", prog="file-uploader serve").run()
    return 0
