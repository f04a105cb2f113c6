"""Measurements of speed and memory. Every module here is a command: ``python -m benchmarks.generate``."""

from stylize.places import use_large_pages

use_large_pages()
