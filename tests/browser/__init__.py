"""The reports as a person sees them, in a real browser. Needed: Chromium, and the `browser` group of dependencies."""
