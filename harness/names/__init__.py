"""Names: how long they may be and why (`limits`), and other names for the same things (`naming`)."""
