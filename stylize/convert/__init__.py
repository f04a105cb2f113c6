"""Converts checkpoints of other projects, and downloads the full model."""
