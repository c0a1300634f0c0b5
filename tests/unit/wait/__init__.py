"""Tests of harness.wait."""
