"""Measurements of speed and memory. Every module here is a command: ``python -m benchmarks.generate``."""
