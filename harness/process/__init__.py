"""Processes the harness starts: they die with it, their output is kept, their ports and directories are their own."""
