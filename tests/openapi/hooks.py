"""What Schemathesis has to be told to send valid requests; it imports this by itself.

The environment has what the server knows: ``TOKEN``, and ``LINK``, ``LINKED`` for a link and the
name that it is for.
"""

from __future__ import annotations

import os
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

schemathesis.serializer.alias(
    ["application/offset+octet-stream", "application/partial-upload"], "application/octet-stream"
)

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
    """Keep a request to the operation that it is a request to."""
    if "X-HTTP-Method-Override" in case.headers:
        case.headers["X-HTTP-Method-Override"] = case.method
    if case.method != case.operation.method.upper():
        # A probe: which methods there are learns only who has a right to the resource.
        case.headers["X-Auth-Token"] = os.environ["TOKEN"]
        if "link" in case.path_parameters:
            case.path_parameters = {"link": os.environ["LINK"], "name": os.environ["LINKED"]}
