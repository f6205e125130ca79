"""Small JSON documents in requests: read whole, within a bound, and strictly."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any, NoReturn

from file_uploader.errors import FileTooLarge, InvalidParameter
from file_uploader.http.fields import digests
from file_uploader.http.fields.headers import content_length, single
from file_uploader.http.fields.negotiation import require_type
from file_uploader.http.refusals import DocumentTooLarge
from file_uploader.http.routing import Call
from file_uploader.http.streams import incoming
from file_uploader.model.files import TransferLimits
from file_uploader.transfer.body import ClientBody

JSON = "application/json"

MAX_SIZE = 8 * 1024
"""Bytes of a document: the longest file name fits, with every byte escaped."""

_BEYOND = 2**64


async def read(call: Call, limits: TransferLimits) -> dict[str, Any]:
    """The object that a request's body is; ``limits`` but for its size are those of all bodies.

    Raises `UnsupportedMediaType`, `DocumentTooLarge`, `InvalidParameter`, and every error of a
    body and of its digests.
    """
    require_type(single(call.headers, "Content-Type"), JSON, told_in="Accept")
    try:
        body = ClientBody(
            incoming(call.receive),
            length=content_length(call.headers),
            limits=replace(limits, max_size=MAX_SIZE),
            expected=digests.announced(call.headers),
            algorithms=(),
        )
        data = b"".join([chunk async for chunk in body])
    except FileTooLarge:
        raise DocumentTooLarge(f"The JSON may have at most {MAX_SIZE} bytes.") from None
    return _parsed(data)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=_number,
            parse_float=_number,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError):  # also of bytes that are not UTF-8
        raise InvalidParameter("The body has to be a JSON object in UTF-8.") from None
    if not isinstance(found, dict):
        raise InvalidParameter("The body has to be a JSON object.")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidParameter(f"The member {name!r} is given twice.")
        found[name] = value
    return found


def _number(text: str) -> int | float:
    """A number: an integer without a fraction, however it is written (JSON Schema, 6.1.1).

    A float where it is none, or beyond 64 bits: nobody writes out all digits of 1e999999.
    """
    try:
        exact = Decimal(text)
        whole = abs(exact) < _BEYOND and exact == int(exact)
    except ArithmeticError:  # an exponent that even this cannot hold
        whole = False
    return int(exact) if whole else float(text)


def _constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and the like are no JSON
