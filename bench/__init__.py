"""Benchmarks against what people use otherwise: ``python -m bench``.

::

    __main__ -> turns -> suites -> peers   who is measured, and how it is started
                                   loads   what is asked of them, and in which units it is told
                      -> measure           what that costs: CPU time and memory
             -> report                     the tables in docs/benchmarks.md
    peers, loads -> clients                curl, wrk and tus, and the processes of `direct`

What was measured is kept as `figures`.
"""
