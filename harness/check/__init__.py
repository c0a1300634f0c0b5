"""Checkers: pure functions from a history to verdicts on promises."""
