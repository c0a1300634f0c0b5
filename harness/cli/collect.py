"""Which scenarios `harness run` would run, without running them: what `-k`, `-m` and `--datastore` leave."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.bundle import DATASTORE_VARIABLE
from harness.cli.place import suite_environment, suite_root
from harness.cluster.datastore import parse_many
from harness.errors import HarnessError, UsageError
from harness.scenario import Scenario

if TYPE_CHECKING:
    from harness.operator.supervisor import Supervision

_COLLECT_DEADLINE_S = 300.0
_COLLECTED = (0, 5)
"""pytest's exit codes when all was collected, the second when nothing is left."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which scenarios, and how they are run. A datastore's URL holds a password, so only its kind is written down."""

    expression: str
    marks: str
    datastore: str
    names: str
    supervision: Supervision

    @property
    def selection(self) -> dict[str, str]:
        """What gate.json says of it."""
        kinds = [store.kind for store in parse_many(self.datastore)] if self.datastore else []
        return {
            "-k": self.expression,
            "-m": self.marks,
            "--datastore": ",".join(kinds),
            "--names": self.names,
            "options": " ".join(self.supervision.options()),
        }


def collected(asked: Asked) -> list[tuple[Scenario, str]]:
    """The scenarios that `harness run` would run, each with the kind of its datastore.

    Raises UsageError when there are none, HarnessError when they cannot be collected.
    """
    suite = suite_root()
    with tempfile.TemporaryDirectory(prefix="inventory-harness-") as place:
        target = Path(place) / "plans.json"
        arguments = [
            sys.executable, "-m", "pytest", str(suite / "scenarios"), f"--rootdir={suite}", "-c",
            str(suite / "tox.ini"),
            "-q", "--collect-only", "-p", "no:cacheprovider", f"--plans={target}", f"--out={place}/out",
            *(["-k", asked.expression] if asked.expression else []),
            *(["-m", asked.marks] if asked.marks else []),
        ]  # fmt: skip
        environment = {**suite_environment(), DATASTORE_VARIABLE: asked.datastore}
        try:
            done = subprocess.run(
                arguments, cwd=suite, env=environment, capture_output=True, text=True, errors="replace", check=False,
                timeout=_COLLECT_DEADLINE_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired as exc:
            raise HarnessError(f"the scenarios were not collected within {_COLLECT_DEADLINE_S:g} s") from exc
        if done.returncode not in _COLLECTED or not target.is_file():
            said = done.stdout + done.stderr
            errors = [text for text in said.splitlines() if text.startswith("ERROR: ")]
            raise UsageError("\n".join(errors) or f"the scenarios cannot be collected:\n{said[-3000:]}")
        body = json.loads(target.read_text(encoding="utf-8"))
    found = {(item["scenario"]["id"], item["datastore"]): item for item in body}
    if not found:
        raise UsageError("no scenario matches", hint="see the names with: pytest scenarios --collect-only -q")
    scenarios = [(Scenario.from_json(item["scenario"]), item["datastore"]) for item in found.values()]
    return [(scenario, kind or scenario.possible_on[0]) for scenario, kind in scenarios]
