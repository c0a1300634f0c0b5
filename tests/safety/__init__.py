"""Killing the harness at any moment leaves nothing behind."""
