"""Checkpoints of other projects under this project's names, and the full model's files from the hub."""
