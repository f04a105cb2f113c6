"""Trains the mini model. Only ``stylize.evaluation`` imports it."""
