"""Who may do what, and what nobody may learn: the service as somebody sees it who means harm.

What each promise is, and how it is attacked, is in ``docs/reliability.md``.
"""
