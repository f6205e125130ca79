"""What Schemathesis has to be told to send valid requests; it imports this by itself.

The environment has what the server knows: ``TOKEN``; ``LINK_TO_READ``, ``LINK_TO_STORE`` and
``LINKED``, two links and the name that they are for; and ``UPLOADS``, the ids of uploads.
"""

from __future__ import annotations

import itertools
import os
from typing import Any
from urllib.parse import quote

import schemathesis
from schemathesis import Case, HookContext

from tests.unit.openapi.document import DOCUMENT

_OF_TUS, _OF_IETF = "application/offset+octet-stream", "application/partial-upload"
_EXAMPLES = {  # as they are in a path
    name: quote(DOCUMENT["components"]["parameters"][name]["example"], safe="")
    for name in ("id", "link", "name")
}
_LINKS = {_EXAMPLES["link"], os.environ["LINK_TO_READ"], os.environ["LINK_TO_STORE"]}
_uploads = itertools.cycle(os.environ["UPLOADS"].split())

schemathesis.serializer.alias([_OF_TUS, _OF_IETF], "application/octet-stream")

# Extracting by a pattern is an addition of Schemathesis to OpenAPI's expressions, so these links
# are not in the contract itself.
_ID = {"path.id": "$response.header.Location#regex:/api/uploads/(.+)"}
_OFFSET = {"header.Upload-Offset": "$response.header.Upload-Offset"}
_OF_UPLOAD = {
    "append": {"operationId": "appendToUpload", "parameters": {**_ID, **_OFFSET}},
    "look": {"operationId": "lookAtUpload", "parameters": _ID},
    "head": {"operationId": "headUpload", "parameters": _ID},
    "forget": {"operationId": "forgetUpload", "parameters": _ID},
}
_LINK = {
    "path.link": "$response.body#/url#regex:/api/links/([^/]+)/",
    "path.name": "$request.body#/name",
}
_OF_LINK = {
    "read": {"operationId": "readFileByLink", "parameters": _LINK},
    "describe": {"operationId": "describeFileByLink", "parameters": _LINK},
    "store": {"operationId": "storeFileByLink", "parameters": _LINK},
}


@schemathesis.hook
def before_load_schema(_context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Say where the uploads and links are that an answer speaks of."""
    paths = raw_schema["paths"]
    paths["/api/uploads"]["post"]["responses"]["201"]["links"] = _OF_UPLOAD
    paths["/api/files/{name}"]["put"]["responses"]["201"]["links"] = _OF_UPLOAD
    paths["/api/files/{name}"]["post"]["responses"]["201"]["links"] = _OF_UPLOAD
    paths["/api/links"]["post"]["responses"]["201"]["links"] = _OF_LINK


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
    """Have examples be of what is there, and a request be one to its operation."""
    place = dict(case.path_parameters)  # which others share
    if place.get("id") == _EXAMPLES["id"]:
        place["id"] = next(_uploads)
    if place.get("link") in _LINKS:
        place["link"] = _link(case)
        if place["name"] == _EXAMPLES["name"]:
            place["name"] = os.environ["LINKED"]
    # That a header of one protocol goes with a body of the same, no contract can say.
    if case.media_type == _OF_TUS:
        case.headers.setdefault("Tus-Resumable", "1.0.0")
    elif case.media_type == _OF_IETF and case.headers.get("Tus-Resumable") == "1.0.0":
        del case.headers["Tus-Resumable"]
    if "X-HTTP-Method-Override" in case.headers:
        case.headers["X-HTTP-Method-Override"] = case.method
    if case.method != case.operation.method.upper():
        # A probe: which methods there are learns only who has a right to the resource.
        case.headers["X-Auth-Token"] = os.environ["TOKEN"]
        if "link" in place:
            place = {"link": _link(case), "name": os.environ["LINKED"]}
    case.path_parameters = place


def _link(case: Case[Any]) -> str:
    return os.environ["LINK_TO_STORE" if case.method == "PUT" else "LINK_TO_READ"]
