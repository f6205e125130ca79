"""How gunicorn serves the application; every value gives way to gunicorn's own flags."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from file_uploader import __version__
from file_uploader.errors import ConfigurationError
from file_uploader.settings import load_settings

from . import inner_names, worker_metrics

if (_lacking := inner_names.complaint()) is not None:
    sys.exit(f"file-uploader: {_lacking}")
try:
    _settings = load_settings()
except ConfigurationError as error:
    sys.exit(f"file-uploader: {error}")

_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host

bind = [f"{_host}:{_settings.port}"]
if _settings.metrics_address is not None:
    bind.append(str(_settings.metrics_address))
workers = _settings.web_concurrency
logger_class = f"file_uploader.server.logs.{_settings.log_format.capitalize()}Log"
worker_class = "file_uploader.server.worker.Worker"
asgi_loop = "uvloop"
asgi_lifespan = "on"
# A client that is gone has nobody waiting: its request is cancelled at once, and cleans up.
asgi_disconnect_grace_period = 0
graceful_timeout = 30
# A worker that gives no sign of life for so many seconds is killed, and others that wait for a lock
# of its go on. There is none during a stop. Clients that give none are another matter.
timeout = graceful_timeout + 10
# Longer than the usual idle time of a proxy's connections, so that it never meets a closed one.
keepalive = 75
# Two names of 960 percent-encoded bytes (prefix and marker) have to fit.
limit_request_line = 8190
# Names with an underscore stay. By default they are dropped: as variables, a_b and a-b are one.
header_map = "dangerous"
# The application reads what proxies say: more than this, and of several values the right one.
secure_scheme_headers: dict[str, str] = {}
forwarded_allow_ips = ",".join(_settings.forwarded_allow_ips)
root_path = _settings.root_path
# No socket in the home directory: read-only root file systems, least privilege.
control_socket_disable = True
_memory = Path("/dev/shm")  # noqa: S108
if _memory.is_dir():  # gunicorn's heartbeat must not wait for a disk
    worker_tmp_dir = str(_memory)
if _settings.metrics_address is not None or _settings.metrics_token is not None:
    worker_metrics.begin(_memory if _memory.is_dir() else Path(tempfile.gettempdir()))


def on_starting(server: Any) -> None:
    """Say what is going to run, and try the store once before any worker does.

    So what cannot work is said once, in a line.
    """
    _say_settings(server)
    address = _settings.metrics_address
    if address is not None and tuple(address) not in server.cfg.address:
        sys.exit(f"file-uploader: METRICS_ADDRESS: with -b, say it there as well: -b {address}")
    _refuse_flag(server, "FORWARDED_ALLOW_IPS", list(_settings.forwarded_allow_ips))
    _refuse_flag(server, "ROOT_PATH", _settings.root_path)
    _try_storage()


def _refuse_flag(server: Any, setting: str, value: object) -> None:
    """End the start if gunicorn's flag says otherwise than the setting, which alone counts."""
    if getattr(server.cfg, setting.lower()) != value:
        flag = setting.lower().replace("_", "-")
        sys.exit(f"file-uploader: {setting}: say it there, not by --{flag}")


def _say_settings(server: Any) -> None:
    shown = _settings.shown()
    store = "the embedded store" if _settings.bucket is None else "S3"
    said = ", ".join(f"{name}={value}" for name, value in shown.items()) or "none"
    members = {"version": __version__, "store": store, "settings": shown}
    server.log.info(
        "file-uploader %s on %s; settings: %s", __version__, store, said, extra={"members": members}
    )


def _try_storage() -> None:
    """Open and close the store in a child process.

    With ``--reload`` the workers have to import the code afresh, so the master must not have
    imported it.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        worker_metrics.end_worker(worker_metrics.MASTER)
        if status:
            sys.exit(os.waitstatus_to_exitcode(status))
        return
    status = 1
    try:
        from file_uploader.stores import try_storage  # noqa: PLC0415

        asyncio.run(try_storage(_settings))
        status = 0
    except ConfigurationError as error:
        print(f"file-uploader: {error}", file=sys.stderr, flush=True)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


def pre_fork(server: Any, worker: Any) -> None:
    """Give the worker the least number that no other has."""
    taken = {each.number for each in server.WORKERS.values()}
    worker.number = next(number for number in itertools.count() if number not in taken)


def post_fork(server: Any, worker: Any) -> None:
    """Send the package's own log where gunicorn's goes; tell the worker its own setting."""
    worker.idle_timeout = _settings.idle_timeout.total_seconds()
    log = logging.getLogger("file_uploader")
    log.handlers = server.log.error_log.handlers
    log.setLevel(server.log.error_log.level)
    log.propagate = False
    worker_metrics.begin_worker(worker.number)


def child_exit(_server: Any, worker: Any) -> None:
    """A worker has ended."""
    worker_metrics.end_worker(worker.number)


def on_exit(_server: Any) -> None:
    """Leave nothing behind."""
    worker_metrics.end()
