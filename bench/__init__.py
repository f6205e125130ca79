"""Benchmarks against what people use otherwise: ``python -m bench``."""
