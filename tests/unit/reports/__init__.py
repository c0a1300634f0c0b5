"""Tests of the reports: what is rendered from bundles written to disk by the harness's own writers."""
