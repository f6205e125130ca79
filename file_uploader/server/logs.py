"""How log lines look: for people (``console``), or one JSON object each (``json``).

Whichever it is, a line that has to do with a request has the request's id, and none shows a link
that somebody could use.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from gunicorn import glogging

from file_uploader.http import context
from file_uploader.http.access_log import timestamp
from file_uploader.http.fields import target

_TRACE = logging.Formatter()


class ConsoleFormatter(logging.Formatter):
    """The time, the process, how bad it is, what happened, and in which request."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """The line, without a stack trace."""
        here = context.current()
        about = "" if here is None else f" [request {here.id}]"
        level, message = record.levelname.lower(), record.getMessage()
        return f"{timestamp(record.created)} [{record.process}] {level}: {message}{about}"


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, logger, process, message, and what else there is."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a stack trace is a member of it. What the record has as ``members``, too."""
        line: dict[str, Any] = {
            "time": timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **getattr(record, "members", {}),
        }
        if (here := context.current()) is not None:
            line["request_id"] = here.id
        if record.exc_info:
            line["exception"] = _TRACE.formatException(record.exc_info)
        return json.dumps(line)


def without_secrets(record: logging.LogRecord) -> bool:
    """Leave out what makes a link valid, as a filter of logs."""
    message = record.getMessage()
    if (shown := target.without_secrets(message)) != message:
        record.msg, record.args = shown, ()
    return True


class ConsoleLog(glogging.Logger):  # type: ignore[misc]
    """gunicorn's log, which the package's goes to as well, for people."""

    formatter: logging.Formatter = ConsoleFormatter()

    def setup(self, cfg: Any) -> None:
        """Set up what gunicorn does, but for how its lines look, and what they show of links."""
        super().setup(cfg)
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.addFilter(without_secrets)
        for handler in self.error_log.handlers:
            handler.setFormatter(self.formatter)


class JsonLog(ConsoleLog):
    """The same for machines."""

    formatter = JsonFormatter()
