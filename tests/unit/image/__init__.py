"""Tests of harness.image."""
