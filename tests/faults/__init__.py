"""Attempts to break the service's promises: by killing it, and by failing disks, stores, clients.

What each promise is, and how it is attacked, is in ``docs/reliability.md``.
"""
