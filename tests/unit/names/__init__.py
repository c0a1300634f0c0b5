"""Limits of names, and names at them."""
