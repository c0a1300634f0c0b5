"""What came out of a run, for tests, summaries and people."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.bundle import STATE_FILE, VERDICTS_FILE
from harness.bundle.manifest import write_json
from harness.check.contract import PROMISES, Judgement
from harness.check.verdict import FAIL, UNKNOWN, PromiseVerdict, Verdict
from harness.cluster.backend import EMBEDDED
from harness.errors import PlatformError, UsageError
from harness.history.state import states
from harness.names.naming import USUAL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.history.reader import History
    from harness.scenario import Scenario

_MOMENTS = 8
"""So many moments are told at most: a run in which everything is wrong has hundreds, and they are much alike."""


def _text(promise: str) -> str:
    known = PROMISES.get(promise)
    return "not a promise of the contract" if known is None else known.text


@dataclass(frozen=True, slots=True)
class RunResult:
    """The verdicts of one run and where its evidence lies.

    `result["AVAIL-1"]` is the verdict on a promise; `explain()` is the text a failing test shows.
    """

    scenario: str
    seed: int
    operator: dict[str, str]
    versions: dict[str, str]
    judgement: Judgement
    wall_s: float
    overhead_s: float
    bundle: Path
    reproduce: str = ""
    datastore: str = "etcd"
    backend: str = EMBEDDED
    names: str = USUAL
    supervision: Mapping[str, Any] = field(default_factory=dict)
    _by_id: dict[str, PromiseVerdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_id.update({verdict.promise: verdict for verdict in self.judgement.promises})

    @property
    def verdict(self) -> Verdict:
        """The worst of all: FAIL over UNKNOWN over PASS."""
        return self.judgement.verdict

    def promise(self, promise: str) -> PromiseVerdict:
        """The verdict with its findings; raises UsageError for a promise that the scenario does not judge."""
        if promise not in self._by_id:
            raise UsageError(
                f"scenario {self.scenario} does not judge {promise}",
                hint=f"it judges {', '.join(self._by_id)}; add it to the scenario's promises",
            )
        return self._by_id[promise]

    def __getitem__(self, promise: str) -> Verdict:
        return self.promise(promise).verdict

    def explain(self, promise: str | None = None) -> str:
        """Promise, verdict, findings or reasons, seed, bundle, and the commands that repeat it and make it small."""
        lines = [f"{self.scenario} on operator {self.operator.get('name')}"]
        chosen = (
            [self.promise(promise)] if promise else [v for v in self.judgement.promises if v.verdict.value != "PASS"]
        )
        for verdict in chosen:
            lines.append(f"{verdict.promise} {verdict.verdict}: {_text(verdict.promise)}")
            lines += [f"  {finding.text}" for finding in verdict.findings[:5]]
            if len(verdict.findings) > 5:
                lines.append(f"  … and {len(verdict.findings) - 5} findings more")
            lines += [f"  cannot say: {reason}" for reason in verdict.reasons[:5]]
        for assumption in self.judgement.assumptions:
            if assumption.verdict is UNKNOWN:
                lines += [f"{assumption.promise}: {reason}" for reason in assumption.reasons]
        lines += [f"seed: {self.seed}", f"bundle: {self.bundle}"]
        if self.reproduce:
            lines.append(f"reproduce: {self.reproduce}")
        if self.verdict is FAIL:
            whose = " --operator …" if self.operator.get("sha256") else ""  # a bundle does not hold a binary
            lines.append(f"one small file that shows it: harness shrink {shlex.quote(str(self.bundle))}{whose}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The scenario's entry in summary.json."""
        return {
            "id": self.scenario,
            "verdict": str(self.verdict),
            "seed": self.seed,
            "datastore": self.datastore,
            "backend": self.backend,
            "names": self.names,
            "supervision": dict(self.supervision),
            "wall_s": round(self.wall_s, 3),
            "overhead_s": round(self.overhead_s, 3),
            "recovery_s": None if self.judgement.recovery_s is None else round(self.judgement.recovery_s, 3),
            **self.judgement.as_json(),
            "bundle": str(self.bundle),
            "reproduce": self.reproduce,
        }

    def write(self) -> Path:
        """Write verdicts.json into the bundle."""
        body = {"operator": self.operator, "versions": self.versions, **self.as_json()}
        path = self.bundle / VERDICTS_FILE
        try:
            path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as exc:
            raise PlatformError(
                f"cannot write {path}: {exc.strerror}", hint="free some space or choose another --out"
            ) from exc
        return path


def write_states(bundle: Path, history: History, judgement: Judgement) -> None:
    """Write state.json: nodes and pods as they truly were when each promise was first seen broken; none, no file."""
    firsts = {
        verdict.promise: min(finding.t_s for finding in verdict.findings)
        for verdict in judgement.promises
        if verdict.findings
    }
    if not firsts:
        return
    moments = sorted(set(firsts.values()))[:_MOMENTS]
    found = [
        {"promises": sorted(name for name, t in firsts.items() if t == state["t"]), **state}
        for state in states(history, moments)
    ]
    write_json(bundle / STATE_FILE, {"moments": found})


Run = Callable[["Scenario"], RunResult]
"""What the `run` fixture gives a test: carry out a scenario and judge it."""
