"""Tests of harness.fault."""
