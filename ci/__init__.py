"""Preparing a machine and running the project on it."""
