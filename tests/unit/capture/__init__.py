"""Capturing a user's cluster."""
