"""Tests of harness.operator."""
