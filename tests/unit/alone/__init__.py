"""One file without the suite."""
