"""What can go wrong, without a word of HTTP.

Every message is written for the client who gets to read it: what was wrong and what would be
right, and never a token, a key, a bucket or a path.
"""


class FileUploaderError(Exception):
    """Root of everything that this package raises on purpose."""


class InvalidInput(FileUploaderError):
    """The caller sent something that no retry makes right."""


class InvalidName(InvalidInput):
    """A file name that the naming rules refuse."""


class InvalidParameter(InvalidInput):
    """A query parameter that is unknown in its value."""


class InvalidHeader(InvalidInput):
    """A request header that cannot be honoured, kept metadata included."""


class DigestUnsupported(InvalidInput):
    """A digest field (RFC 9530) none of whose algorithms is known here."""


class DigestMismatch(InvalidInput):
    """The bytes that arrived are not those that the digest field announced."""


class PieceMismatch(DigestMismatch):
    """The bytes of one piece of an upload are not those announced; the upload is as it was."""


class InconsistentLength(InvalidInput):
    """The length of an upload is said twice and differently, or there is more than it."""


class NotConcatenable(InvalidInput):
    """What is to be put together is not partial uploads, or not finished ones."""


class Unauthenticated(FileUploaderError):
    """No token, or one that is not a usable UUID."""


class InvalidLink(FileUploaderError):
    """A link that is not signed by a key of ours, or has expired."""


class NoSuchFile(FileUploaderError):
    """There is no such file in this container."""


class NoSuchUpload(FileUploaderError):
    """There is no such upload in this container; it may have expired or been cancelled."""


class PreconditionFailed(FileUploaderError):
    """The file is not in the state that the caller made a condition."""


class OffsetMismatch(FileUploaderError):
    """An append that does not begin where the upload ends; both offsets in bytes."""

    def __init__(self, expected: int, provided: int) -> None:
        super().__init__(
            f"The upload goes on at offset {expected}, not at {provided}; send from there."
        )
        self.expected = expected
        self.provided = provided


class Superseded(FileUploaderError):
    """Another request has taken the upload over; ask for its offset to go on."""


class NotAppendable(FileUploaderError):
    """An upload that is made of others takes no bytes of its own."""


class ResumableUnsupported(FileUploaderError):
    """The object store does not decide conditions, so that two appends could not be told apart."""


class FileTooLarge(FileUploaderError):
    """The body is, or is going to be, larger than a limit of ours or of the store."""


class BodyError(FileUploaderError):
    """The client's stream broke. A store never raises this, it lets it pass."""


class ClientDisconnected(BodyError):
    """The client went away before its body was whole."""


class BodyLengthMismatch(BodyError):
    """More or fewer bytes arrived than were announced."""


class BodyTimeout(BodyError):
    """The body stopped arriving, or arrives too slowly."""


class BodyInterrupted(BodyError):
    """The rest of the body was not waited for: a newer request goes on with the upload."""


class StorageError(FileUploaderError):
    """The store broke; what was stored before is as it was."""


class StorageFailed(StorageError):
    """The store gave an answer that means failure."""


class StorageRefused(StorageFailed):
    """The store does not allow us what we ask for; that does not pass by itself."""


class StorageUnavailable(StorageError):
    """The store cannot be reached, or asks to come back later."""


class StorageTimeout(StorageError):
    """The store did not answer in time."""


class StorageFull(StorageError):
    """No space is left, or a quota is used up."""


class Overloaded(FileUploaderError):
    """Memory and spool of this process are spent; a later try may find room."""


class ConfigurationError(FileUploaderError):
    """Settings that cannot work. The message is one line that names the setting."""
