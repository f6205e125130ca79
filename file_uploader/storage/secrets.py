"""What a store does for links: nobody else knows what makes one, or can make it lead elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from file_uploader.model.names import Container, FileName


class Secrets(Protocol):
    """Secrets that a store keeps, and URLs that are secrets themselves."""

    async def claim(self, container: Container) -> None:
        """See to it that the container's place is ours, before its name gets to others.

        Where it is the only secret in the name of something that anybody could make, such as a
        bucket, that is made now. Raises `StorageError`.
        """
        ...

    async def kept_key(self, new: bytes | None = None) -> bytes:
        """32 random bytes that the store makes once and keeps, to sign links with.

        The same for every instance on the same place, also for those that ask for it first at the
        same time; durable before it is given out (promise 2). It is no file of any container.
        ``new`` is what it is to be where there is none yet: that of another store.
        """
        ...

    async def direct_url(
        self, container: Container, name: FileName, *, lifetime: timedelta, disposition: str
    ) -> str | None:
        """A URL at which the store itself sends the file to anybody, for ``lifetime`` from now.

        With ``disposition`` as its Content-Disposition. None for a store that serves nobody but
        this process. Whether there is such a file is not looked at.
        """
        ...
