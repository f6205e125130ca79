"""Ask a server once: ``python -m file_uploader.http.operations.probe http://127.0.0.1:8080/ready``.

Exits with 0 where the answer is 200, and says otherwise what it was. For health checks of
containers, whose image has no other client.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

PATIENCE = 6.0
"""Seconds; a server whose store is silent takes up to 5 to say so."""


def main(url: str) -> int:
    """The exit status."""
    address = urlsplit(url)
    connection = HTTPConnection(address.netloc, timeout=PATIENCE)
    try:
        connection.request("GET", address.path)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        print(f"{url}: {error!r}", file=sys.stderr)
        return 1
    if status != 200:
        print(f"{url}: {status}", file=sys.stderr)
    return int(status != 200)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
