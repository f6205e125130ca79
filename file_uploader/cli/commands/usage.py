"""``usage``: files and bytes of one client, or of every container."""

from __future__ import annotations

from contextlib import aclosing

from file_uploader.cli.support import formatting
from file_uploader.cli.support.walk import Walk, usage_of
from file_uploader.model.files import Usage
from file_uploader.model.names import Container
from file_uploader.settings import load_settings
from file_uploader.storage.upkeep import Flaw
from file_uploader.stores import open_existing
from file_uploader.tokens import parse_token

WRONG = 1
"""The exit status where a container could not be counted."""


async def usage(token: str | None, *, as_json: bool) -> int:
    """Count and print. Returns the exit status.

    Raises `Unauthenticated`, `ConfigurationError` and `StorageError`.
    """
    one = None if token is None else Container.of(parse_token(token))
    counted: dict[str, Usage] = {}
    failed = 0

    def tell(flaw: Flaw) -> None:
        nonlocal failed
        failed += 1
        print(formatting.flaw(flaw, as_json=as_json))

    async with aclosing(await open_existing(load_settings())) as storage:
        if one is not None:
            counted[one.name] = await usage_of(storage, one)
        else:
            async for container, usage in Walk(storage, tell).usages():
                counted[container.name] = usage
                if not as_json:
                    print(_line(container.name, usage))
    files = sum(each.files for each in counted.values())
    size = sum(each.size for each in counted.values())
    if as_json:
        containers = [
            {"container": name, "files": each.files, "bytes": each.size}
            for name, each in counted.items()
        ]
        counts = {"containers": containers, "files": files, "bytes": size, "failed": failed}
        print(formatting.json_line(counts))
    else:
        print(_line("total" if one is None else one.name, Usage(files, size)))
    if failed and not as_json:
        print(f"{failed:,} could not be counted")
    return WRONG if failed else 0


def _line(what: str, counted: Usage) -> str:
    return f"{what:32}  {counted.files:>12,} files  {formatting.size(counted.size):>10}"
