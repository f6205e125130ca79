"""``usage``: files and bytes of one client, or of every container."""

from __future__ import annotations

from argparse import Namespace
from contextlib import aclosing

from file_uploader.cli.support.report import Report, size
from file_uploader.cli.support.walk import Walk, usage_of
from file_uploader.model.files import Usage
from file_uploader.model.names import Container
from file_uploader.settings import load_settings
from file_uploader.stores import open_existing
from file_uploader.tokens import parse_token


async def usage(options: Namespace) -> int:
    """Count. Raises `Unauthenticated`, `ConfigurationError` and `StorageError`."""
    one = None if options.token is None else Container.of(parse_token(options.token))
    report = Report(options)
    counted: dict[str, Usage] = {}
    async with aclosing(await open_existing(load_settings())) as storage:
        if one is not None:
            counted[one.name] = await usage_of(storage, one)
        else:
            async for container, usage in Walk(storage, report.tell).usages():
                counted[container.name] = usage
                if not report.as_json:
                    print(_line(container.name, usage))
    total = Usage(
        sum(each.files for each in counted.values()), sum(each.size for each in counted.values())
    )
    containers = [
        {"container": name, "files": each.files, "bytes": each.size}
        for name, each in counted.items()
    ]
    figures = {"containers": containers, "files": total.files, "bytes": total.size}
    lines = [_line("total" if one is None else one.name, total)]
    if report.told:
        lines.append(f"{report.told:,} could not be counted")
    return report.sum_up({**figures, "failed": report.told}, lines, wrong=report.told)


def _line(what: str, counted: Usage) -> str:
    return f"{what:32}  {counted.files:>12,} files  {size(counted.size):>10}"
