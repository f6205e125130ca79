"""Mutation tests: small faults are put into the package, and the tests have to see them.

``draw`` chooses the mutants, ``map`` notes which tests execute which lines, ``try`` runs suites of
tests on the mutants, and ``report`` counts what each suite has killed.
"""
