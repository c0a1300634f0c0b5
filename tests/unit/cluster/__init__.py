"""Tests of harness.cluster."""
