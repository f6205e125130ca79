"""The contract, read for tests: its references are followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from file_uploader.http.pages.contract import WRITTEN

DOCUMENT: dict[str, Any] = yaml.safe_load(WRITTEN.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    item: dict[str, Any]

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def definition(self) -> dict[str, Any]:
        found: dict[str, Any] = self.item[self.method.lower()]
        return found

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """Those of the path, too."""
        given = [*self.item.get("parameters", []), *self.definition.get("parameters", [])]
        return [followed(each) for each in given]

    @property
    def responses(self) -> dict[str, dict[str, Any]]:
        """By status."""
        return {status: followed(each) for status, each in self.definition["responses"].items()}

    def headers_of(self, status: str) -> set[str]:
        """The names of the headers of this answer; none if there is no such answer."""
        return set(self.responses.get(status, {}).get("headers", {}))


def followed(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to; what is none, as it is."""
    while "$ref" in node:
        target = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def operations() -> list[Operation]:
    """All of them."""
    return [
        Operation(method.upper(), path, item)
        for path, item in DOCUMENT["paths"].items()
        for method in item
        if method != "parameters"
    ]
