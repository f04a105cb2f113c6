"""Trains a domain vector from a description or from pictures; refines a face's own W+."""
