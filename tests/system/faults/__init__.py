"""Attempts to break the promises of the service: it is killed, and disks, stores and clients fail.

What each promise is, and how it is attacked, is in ``docs/reliability.md``.
"""
