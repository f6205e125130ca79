"""The S3 store: any S3-compatible provider, nothing shared between nodes but the bucket.

::

    store.py       S3Storage: every operation of the protocol, put together
    gather.py      a body cut into parts as it is pulled
    write.py       what one put was asked to do
    upload.py      a body as a multipart upload: sent, completed, or discarded
    sending.py     parts on their way, a few at a time
    multipart.py   calls on a multipart upload that exists
    commit.py      the moment a write becomes the file: conditions, lost replies
    conditions.py  what the provider decides natively, found out by a probe
    uploads.py     uploads in several requests, put together from these:
    ledger.py      their records, swapped on a condition
    held.py        what a record says that S3 has
    appending.py   one append: parts, and a tail
    completing.py  the end of an upload
    copying.py     bytes that S3 has already, as parts of another object
    tags.py        what an ETag proves
    reading.py     one GetObject, streamed
    listing.py     pages of a container
    sweeping.py    what failures left behind, and uploads that are over
    buckets.py     buckets of the containers' own
    keys.py        which bucket and key; metadata to and from headers
    room.py        the memory budget and the spool: slots, admission
    part.py        one part, held so that it can be sent again
    sizes.py       how large the parts are
    pulse.py       whether the store shows a sign of life
    client.py      one call: retried, timed, its errors translated
    opening.py     whether the bucket can be used, and what is wrong if not
    xml.py         answers that no XML parser would read
    errors.py      the one translator of errors
"""

from .config import S3Config
from .store import S3Storage

__all__ = ["S3Config", "S3Storage"]
