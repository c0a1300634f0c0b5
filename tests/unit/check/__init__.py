"""Tests of the checkers, on histories made by hand."""
