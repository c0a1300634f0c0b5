"""Faults: real harm, proven to bite, always undone."""
