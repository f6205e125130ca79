"""The inner names of gunicorn that the server leans on: another version may lack them."""

from __future__ import annotations

import dis
import pkgutil
from types import FunctionType

import gunicorn

VERSION = "27.0"
"""The only version of gunicorn that is known to have them, of any patch level."""

NAMES = {
    "arbiter": "Arbiter",
    "arbiter.Arbiter": "WORKERS WORKER_BOOT_ERROR",
    "asgi.parser": "UnsupportedTransferCoding",
    "asgi.parser.CallbackRequest": "content_length headers_bytes method version",
    "asgi.parser.PythonProtocol": "remaining",
    "asgi.protocol": "ASGIProtocol BodyReceiver HIGH_WATER_LIMIT _REASON_PHRASES",
    "asgi.protocol.ASGIProtocol": """
        _awaiting_request _body_receiver _build_http_scope _callback_parser
        _check_h1c_protocol_available _close_transport _closed _current_request
        _feed_callback_parser _finishing_calls _flow_control _is_ssl _is_websocket_upgrade
        _keepalive _max_buffer_size _maybe_resume_reading _on_body _on_headers_complete
        _pause_reading _request_ready _response_buffer _safe_write _send_body
        _send_error_response _send_response_start _task app log transport worker
        """,
    "asgi.protocol.BodyReceiver": """
        _chunks _complete _disconnected _pop_chunk _wait_for_data _waiter buffered protocol receive
        signal_disconnect
        """,
    "asgi.protocol.FlowControl": "drain pause_writing resume_writing",
    "glogging": "Logger",
    "glogging.Logger": "access_log error_log setup",
    "workers.gasgi": "ASGIProtocol ASGIWorker",
    "workers.gasgi.ASGIWorker": """
        _quick_shutdown _serve _shutdown alive cfg handle_exit_signal handle_quit_signal
        init_process init_signals lifespan log loop nr_conns servers
        """,
}
"""By the module or class of gunicorn's that has them: overridden, read, set or called."""


def complaint() -> str | None:
    """What there is to say where gunicorn lacks some of them; None where it has all."""
    lacking = [
        f"{owner}.{name}"
        for owner, names in NAMES.items()
        for name in names.split()
        if not has(owner, name)
    ]
    if not lacking:
        return None
    lacks = f"gunicorn {gunicorn.__version__} lacks {', '.join(lacking)}"
    return f"{lacks}; file-uploader needs {VERSION}"


def has(owner: str, name: str) -> bool:
    """Whether that module or class has the name, or sets it in each new object."""
    try:
        found = pkgutil.resolve_name(f"gunicorn.{owner}")
    except (ImportError, AttributeError):
        return False
    makers = (vars(part).get("__init__") for part in getattr(found, "__mro__", ()))
    return hasattr(found, name) or any(
        step.opname == "STORE_ATTR" and step.argval == name
        for maker in makers
        if isinstance(maker, FunctionType)
        for step in dis.get_instructions(maker)
    )
