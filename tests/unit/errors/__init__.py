"""Tests of harness.errors."""
