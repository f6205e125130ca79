"""What a disk may have lost: what was never synced, and what a failed sync was to have kept.

After a failed `fsync` the kernel calls the pages clean, so that the next one succeeds although they
are gone. Only what was written again is there once more.
"""

from __future__ import annotations

from pathlib import Path

from tests.system.faults.syscalls import Call

_WRITTEN, _LOST = 1, 2
_SYNCED = bytes.maketrans(b"\1", b"\0")
_FAILED = bytes.maketrans(b"\1", b"\2")


class LostBytes:
    """Keeps account of the calls that `note` is told: of every byte, and of every name."""

    def __init__(self) -> None:
        self.trusted: list[str] = []
        """Calls that trusted what was lost: a sync that was tried again, a log that went on."""
        self._bytes: dict[Path, bytearray] = {}
        self._names: dict[Path, dict[Path, int]] = {}

    def note(self, call: Call, error: int) -> None:
        """Take down a call that was made, or that failed."""
        if call.name in ("fsync", "fdatasync"):
            self._sync(call, failed=error != 0)
        elif error:
            return
        elif call.name == "pwrite64":
            self._write(call)
        elif call.name == "ftruncate":
            del self._bytes.setdefault(call.path, bytearray())[call.offset :]
        elif call.name in ("openat", "rename"):
            self._names.setdefault(call.path.parent, {})[call.path] = _WRITTEN
        elif call.name == "unlink":
            self._bytes.pop(call.path, None)
            self._names.get(call.path.parent, {}).pop(call.path, None)

    def missing(self, path: Path) -> int:
        """What of a file may not be on the disk: bytes, or its name."""
        marks = self._bytes.get(path, b"")
        return len(marks) - marks.count(0) + self._names.get(path.parent, {}).get(path, 0)

    def _sync(self, call: Call, *, failed: bool) -> None:
        marks = self._bytes.get(call.path, bytearray())
        names = self._names.get(call.path, {})
        # What lies behind the end of a log is not a part of it.
        lost = (_LOST in marks and not _is_log(call.path)) or _LOST in names.values()
        if lost and not failed:
            self.trusted.append(str(call))
        self._bytes[call.path] = marks.translate(_FAILED if failed else _SYNCED)
        for name, mark in names.items():
            if mark == _WRITTEN:
                names[name] = _LOST if failed else 0

    def _write(self, call: Call) -> None:
        marks = self._bytes.setdefault(call.path, bytearray())
        if _is_log(call.path) and marks.find(_LOST, 0, call.offset) >= 0:
            self.trusted.append(f"{call} at {call.offset}")
        end = call.offset + call.size
        marks.extend(bytes(max(0, end - len(marks))))
        marks[call.offset : end] = bytes([_WRITTEN]) * call.size


def _is_log(path: Path) -> bool:
    return path.name.endswith("-wal")
