"""The names of the files in a campaign's directory and in its bundles, for all that write and read them."""

from __future__ import annotations

PROGRESS_FILE = "progress.jsonl"
"""In the campaign's directory: what each run is doing, one JSON object a line."""

SUMMARY_FILE = "summary.json"
SUMMARY_TEXT_FILE = "summary.ansi"
"""What a person sees at the end, with colours where the terminal has them."""

VERDICTS_FILE = "verdicts.json"
"""In a bundle: the verdicts; ERROR_FILE stands in its place where the harness itself could not run the scenario."""

ERROR_FILE = "error.json"

NOT_APPLICABLE_FILE = "not-applicable.json"
"""In the campaign's directory: [{"test", "datastore", "why"}], what cannot be run on a datastore that was asked for."""

DATASTORE_VARIABLE = "INVENTORY_HARNESS_DATASTORE"
"""What --datastore says, for pytest started by `harness run`: a URL holds a password, and command lines are public."""
