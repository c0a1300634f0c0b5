"""Tests of harness.seed."""
