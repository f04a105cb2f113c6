"""Measures the models, and writes the tables' figures."""
