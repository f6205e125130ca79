"""An object store that refuses some requests, and commands that run in the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from file_uploader.cli.parser import parse
from file_uploader.cli.run import FAILED, _failed, _work
from file_uploader.errors import FileUploaderError
from file_uploader.storage.s3.client import Client
from tests.support.command import Done

Refuses = Callable[[str, Mapping[str, Any]], bool]
"""Whether a request is refused: by botocore's name of it, and its parameters."""


def refuse(monkeypatch: pytest.MonkeyPatch, refuses: Refuses, code: str = "AccessDenied") -> None:
    """Have S3 answer 403 to those requests of every client in this process."""
    request = Client._request

    async def asked(
        client: Client, operation: str, parameters: dict[str, Any], limit: float | None = None
    ) -> dict[str, Any]:
        if refuses(operation, parameters):
            answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, operation)
        return await request(client, operation, parameters, limit)

    monkeypatch.setattr(Client, "_request", asked)


class Here:
    """Commands, in this process: quicker than one of their own, and S3 can refuse."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        settings: Mapping[str, str],
    ) -> None:
        self._capsys = capsys
        for name, value in settings.items():
            monkeypatch.setenv(name, value)

    async def __call__(self, *arguments: str) -> Done:
        """Run one to its end."""
        self._capsys.readouterr()
        try:
            status = await _work(parse(arguments))
        except FileUploaderError as error:
            status = _failed(error, FAILED)
        out, err = self._capsys.readouterr()
        return Done(status, out, err)
