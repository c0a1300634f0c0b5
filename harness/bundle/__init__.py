"""A bundle: all that is known of one run, as a directory or as one archive; and the names of what is in it.

`manifest` says what a bundle is made by and whether it is whole, `secrets` keeps credentials out of it, `archive` packs
and unpacks it, `opened` reads one back, whatever became of the harness that wrote it. docs/evidence.md has the layout.
"""

from __future__ import annotations

PROGRESS_FILE = "progress.jsonl"
"""In the campaign's directory: what each run is doing, one JSON object a line."""

SUMMARY_FILE = "summary.json"
SUMMARY_TEXT_FILE = "summary.ansi"
"""What a person sees at the end, with colours where the terminal has them."""

VERDICTS_FILE = "verdicts.json"
"""In a bundle: the verdicts; ERROR_FILE stands in its place where the harness itself could not run the scenario."""

PLAN_FILE = "plan.json"
"""In a bundle: the scenario as data, the seed, and all else that repeats the run."""

STATE_FILE = "state.json"
"""In a bundle with findings: nodes and pods as they truly were at those moments."""

LOGS = "logs"
"""In a bundle: the directory with the output of the operator and of every part of the control plane."""

ERROR_FILE = "error.json"

NOT_APPLICABLE_FILE = "not-applicable.json"
"""In the campaign's directory: [{"test", "datastore", "why"}], what cannot be run on a datastore that was asked for."""

CAPTURED = "captured"
"""The name of the operator in the bundle of a captured cluster: which one it was nobody has looked at."""

DATASTORE_VARIABLE = "INVENTORY_HARNESS_DATASTORE"
"""What --datastore says, for pytest started by `harness run`: a URL holds a password, and command lines are public."""
