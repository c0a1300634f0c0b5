"""The tutorial is followed, for real."""
