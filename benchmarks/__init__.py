"""Measures of speed and memory: `python -m benchmarks.NAME` prints one JSON line. No test asserts a time."""
