"""Run every scenario again and again with different seeds, and count what did not pass.

``python ci/repeat.py [--times N] [--first-seed S] [--out DIR] [arguments of harness run]``

The reference operator has to pass every scenario twenty runs in a row (CONTRIBUTING.md): a verdict other than PASS, or
one seed with different final inventories on different datastores, is a false alarm, a defect of the harness or of the
reference operator, and ends with exit code 1 and the seeds to repeat it.
A campaign that cannot run at all ends it at once, with exit code 3.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CANNOT_RUN = 3


def main() -> int:
    """Run, count, and print one line for each run and each verdict that is not PASS."""
    parser = argparse.ArgumentParser(description="Run every scenario several times with different seeds.")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None, help="where the summaries go (default: a temporary place)")
    known, rest = parser.parse_known_args()
    out = known.out or Path(tempfile.mkdtemp(prefix="inventory-harness-repeat-"))
    out.mkdir(parents=True, exist_ok=True)
    bad: list[str] = []
    for seed in range(known.first_seed, known.first_seed + known.times):
        body = _once(seed, out, rest)
        if not body["scenarios"]:
            _say(f"seed {seed}: {body['errors'][0]['error']}; nothing was run")
            return CANNOT_RUN
        bad += [f"seed {seed}: {line}" for line in _not_passed(body)]
        _say(f"seed {seed}: {len(body['scenarios'])} scenarios, {len(_not_passed(body))} not PASS")
    for line in bad:
        _say(line)
    _say(f"{known.times} runs, {len(bad)} verdicts other than PASS; summaries in {out}")
    return 1 if bad else 0


def _once(seed: int, out: Path, rest: list[str]) -> dict[str, Any]:
    summary = out / f"seed-{seed}.json"
    command = [sys.executable, "-m", "harness.cli.main", "run", "--seed", str(seed), "--json", str(summary), *rest]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if not summary.is_file():
        return {"scenarios": [], "errors": [{"scenario": "*", "error": f"harness run ended with {done.returncode}"}]}
    body: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
    return body


def _not_passed(body: dict[str, Any]) -> list[str]:
    found = [f"{item['scenario']}: could not run: {item['error']}" for item in body.get("errors", ())]
    for scenario in body["scenarios"]:
        broken = [promise["id"] for promise in scenario["promises"] if promise["verdict"] != "PASS"]
        if scenario["verdict"] != "PASS":
            found.append(f"{scenario['id']}: {scenario['verdict']} ({', '.join(broken)}), bundle {scenario['bundle']}")
    others = (row for row in body.get("differential", ()) if row.get("same_inventory") is False)
    found += [f"{row['scenario']}: final inventories differ between {', '.join(row['datastores'])}" for row in others]
    return found


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
