"""A campaign on disk: one bundle for each scenario, read back into frozen data, and its summary.

`OUT/<scenario id>/` is a bundle when it holds one of the files of `MARKERS`. A bundle without readable verdicts
becomes a run with an `error`: nothing that was started is left out of a report.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.bundle import NOT_APPLICABLE_FILE
from harness.check.verdict import UNKNOWN, Finding, PromiseVerdict, Verdict, worst
from harness.errors import PlatformError
from harness.names.naming import USUAL
from reports import fresh
from reports.differential import EMBEDDED, Comparison, NotApplicable, compare, place
from reports.disk import replace_text
from reports.stored import machine, read_header, read_object, read_rows, strings

VERDICTS, ERROR, HISTORY, PLAN = "verdicts.json", "error.json", "history.jsonl", "plan.json"
MARKERS = (VERDICTS, ERROR, HISTORY, PLAN)
SUMMARY = "summary.json"
USUAL_DATASTORE = "etcd"  # of every bundle that does not say: there was no other one then

Step = tuple[float, float]


@dataclass(frozen=True, slots=True)
class HarnessFault:
    """Why a scenario has no verdict: the harness could not run it, or was ended before it had judged."""

    scenario: str
    error: str
    hint: str = ""

    def as_json(self) -> dict[str, str]:
        """The shape of summary.json's `errors`."""
        return {"scenario": self.scenario, "error": self.error, "hint": self.hint}


@dataclass(frozen=True, slots=True)
class Run:
    """One bundle.

    `texts`: what each promise says, by id; `stale`: steps [t, number of fields not true]; `delays`: [t of a cause, how
    long until it was true]; `freshness`, `by_node`: as `harness.check.freshness` writes them; `plan`: the scenario as
    data; `body`: verdicts.json as it was read; `error`: set when there are no verdicts; `datastore`: its kind; `names`:
    the word for how things were named; `backend`: what provided the cluster.
    """

    id: str
    bundle: Path
    verdict: Verdict
    seed: int | None
    operator: Mapping[str, str]
    versions: Mapping[str, str]
    wall_s: float | None = None
    recovery_s: float | None = None
    promises: tuple[PromiseVerdict, ...] = ()
    assumptions: tuple[PromiseVerdict, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    stale: tuple[Step, ...] = ()
    delays: tuple[Step, ...] = ()
    freshness: tuple[Mapping[str, Any], ...] = ()
    by_node: tuple[Mapping[str, Any], ...] = ()
    reproduce: str = ""
    started: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    error: HarnessFault | None = None
    datastore: str = USUAL_DATASTORE
    names: str = USUAL
    backend: str = EMBEDDED

    @property
    def scenario(self) -> str:
        """The scenario's id: the run's without backend and datastore behind it."""
        for suffix in (f"@{self.backend}-{self.datastore}", f"@{self.backend}", f"@{self.datastore}"):
            if self.id.endswith(suffix):
                return self.id.removesuffix(suffix)
        return self.id

    @property
    def place(self) -> str:
        """The column that it stands in, where runs on several backends or datastores are compared."""
        return place(self.backend, self.datastore)

    @property
    def not_passed(self) -> list[PromiseVerdict]:
        """The promises that were broken or could not be judged."""
        return [promise for promise in self.promises if promise.verdict is not Verdict.PASS]

    @property
    def doubts(self) -> list[str]:
        """Why the run itself cannot be believed, one line for each assumption that does not hold."""
        return [
            f"{a.promise}: {reason}" for a in self.assumptions if a.verdict is not Verdict.PASS for reason in a.reasons
        ]


@dataclass(frozen=True, slots=True)
class Campaign:
    """All runs below one directory, by id; `problems` names each file that is missing or damaged.

    `comparisons`: each scenario on its datastores and backends, where the runs are on more than one; `not_applicable`:
    what could not be run on a backend, or on a datastore that was asked for.
    """

    out: Path
    runs: tuple[Run, ...]
    problems: tuple[str, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    not_applicable: tuple[NotApplicable, ...] = ()

    @property
    def judged(self) -> list[Run]:
        """The runs with verdicts."""
        return [run for run in self.runs if run.error is None]

    @property
    def errors(self) -> list[HarnessFault]:
        """The runs without."""
        return [run.error for run in self.runs if run.error is not None]

    @property
    def verdict(self) -> Verdict:
        """The worst of all runs and comparisons; a run without verdicts counts as UNKNOWN, and so do no runs at all."""
        return worst([*(run.verdict for run in self.runs), *(found.verdict for found in self.comparisons)])

    @property
    def operator(self) -> Mapping[str, str]:
        """The operator under test, as the first run that knows it says."""
        return next((run.operator for run in self.runs if run.operator), {})

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of harness and components, as the first run that knows them says; each datastore its own."""
        found = dict(next((run.versions for run in self.runs if run.versions), {}))
        stores = {run.place: run.versions["datastore"] for run in self.runs if "datastore" in run.versions}
        if len(stores) > 1:
            found.pop("datastore", None)
            found |= {f"datastore {kind}": line for kind, line in stores.items()}
        return found

    @property
    def names(self) -> str:
        """How things were named in its runs; empty where all had their usual names."""
        return ", ".join(dict.fromkeys(run.names for run in self.runs if run.names != USUAL))

    @property
    def started(self) -> str:
        """When the first run began (ISO 8601), empty when no history says."""
        return min((run.started for run in self.runs if run.started), default="")


def load(out: Path) -> Campaign:
    """Read everything below `out`. Damaged files are named in `problems`, never raised.

    Raises PlatformError when `out` itself cannot be read.
    """
    if not out.is_dir():
        raise PlatformError(f"{out} is not a directory of a campaign", hint="give the directory that holds the bundles")
    problems: list[str] = []
    runs = tuple(sorted((_run(out, bundle, problems) for bundle in _bundles(out)), key=lambda run: run.id))
    rows = read_rows(out / NOT_APPLICABLE_FILE, "campaign", problems, ("test", "datastore", "why"), backend=EMBEDDED)
    left_out = tuple(sorted({NotApplicable(*row) for row in rows}))
    return Campaign(out, runs, tuple(problems), machine(out / SUMMARY), compare(runs), left_out)


def load_run(out: Path, bundle: Path) -> Run:
    """Read one bundle of a campaign."""
    return _run(out, bundle, [])


def summary(campaign: Campaign) -> dict[str, Any]:
    """summary.json: what a program wants to know of a campaign.

    {"operator", "versions", "verdict", "started", "machine", "scenarios": [{"id", "verdict", "seed", "wall_s",
    "recovery_s", "promises": [{"id", "verdict", "findings": […], …}], "bundle", …}], "errors", "problems",
    "freshness": [{"resource", "seen", "p50_s", "p90_s", "p99_s", "max_s", "away_seen", "away_max_s", "never"}],
    "differential": [{"scenario", "datastores": {kind: {"id", "verdict", "recovery_s"}}, "same_inventory": true | false
    | null, "differences": [text], "why"}], "not_applicable": [{"test", "backend", "datastore", "why"}]}. `differential`
    is empty where all runs are on one datastore of one backend; null with more than one: they cannot be compared, and
    why. On several backends it is "same_verdicts" in place of "same_inventory".
    """
    body = {
        "operator": dict(campaign.operator),
        "versions": dict(campaign.versions),
        "verdict": str(campaign.verdict),
        "started": campaign.started,
        "machine": dict(campaign.machine),
        "scenarios": [_entry(run) for run in campaign.judged],
        "errors": [error.as_json() for error in campaign.errors],
        "problems": list(campaign.problems),
        "freshness": fresh.as_json(campaign),
        "differential": [found.as_json() for found in campaign.comparisons],
        "not_applicable": [item.as_json() for item in campaign.not_applicable],
    }
    finite: dict[str, Any] = _finite(body)
    return finite


def write_summary(out: Path) -> Path:
    """Write OUT/summary.json, whole or not at all; raises PlatformError when that is not possible."""
    return save_summary(load(out))


def save_summary(campaign: Campaign) -> Path:
    """Write the summary of a campaign that has been read."""
    text = json.dumps(summary(campaign), indent=1, ensure_ascii=False, allow_nan=False)
    return replace_text(campaign.out / SUMMARY, text + "\n")


_NOT_IN_SUMMARY = frozenset({"operator", "versions", "series", "freshness"})


def _entry(run: Run) -> dict[str, Any]:
    """verdicts.json without what the summary says once for all, and without what is for plots and tables."""
    said = {key: value for key, value in run.body.items() if key not in _NOT_IN_SUMMARY}
    return {**said, "bundle": str(run.bundle)}


def _finite(value: Any) -> Any:
    """JSON has no infinity: such a number becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _bundles(out: Path) -> Iterator[Path]:
    for directory, inner, files in os.walk(out):
        here = Path(directory)
        if here != out and not set(MARKERS).isdisjoint(files):
            inner.clear()  # what lies inside a bundle is evidence, no further scenario
            yield here


def _run(out: Path, bundle: Path, problems: list[str]) -> Run:
    name = bundle.relative_to(out).as_posix()
    error = read_object(bundle / ERROR, name, problems, required=False)
    # A run that did not take place need not have left anything else.
    header = read_header(bundle / HISTORY, name, problems, required=error is None)
    plan = read_object(bundle / PLAN, name, problems, required=error is None) or {}
    body = read_object(bundle / VERDICTS, name, problems, required=error is None)
    store = _datastore(name, body or {}, plan)
    named = str((body or {}).get("names") or plan.get("names") or USUAL)
    provider = str((body or {}).get("backend") or plan.get("backend") or EMBEDDED)
    if body is not None:
        try:
            return replace(
                _judged(name, bundle, body, plan, str(header.get("started") or "")),
                datastore=store,
                names=named,
                backend=provider,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            problems.append(f"{name}: {VERDICTS} does not have the shape of verdicts ({type(exc).__name__}: {exc})")
    seed = header.get("seed", plan.get("seed"))
    return Run(
        id=name, bundle=bundle, verdict=UNKNOWN, seed=seed if isinstance(seed, int) else None,
        operator=strings(header.get("operator")), versions=strings(header.get("versions")),
        started=str(header.get("started") or ""), plan=plan, error=_why(name, error), datastore=store,
        names=named, backend=provider,
    )  # fmt: skip


def _datastore(name: str, body: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """The kind that the verdicts, the plan or else the run's id name."""
    _, at, suffix = name.rpartition("@")
    return str(body.get("datastore") or plan.get("datastore") or (at and suffix) or USUAL_DATASTORE)


def _why(name: str, error: Mapping[str, Any] | None) -> HarnessFault:
    if error is not None:
        return HarnessFault(name, str(error.get("error") or "no reason was written down"), str(error.get("hint") or ""))
    return HarnessFault(
        name,
        "there are no verdicts: the run was cut off before it was judged, or its verdicts are damaged",
        "run it again with the same seed",
    )


def _judged(name: str, bundle: Path, body: Mapping[str, Any], plan: Mapping[str, Any], started: str) -> Run:
    listed = [*body["promises"], *body.get("assumptions", ())]
    return Run(
        id=name,
        bundle=bundle,
        verdict=Verdict(body["verdict"]),
        seed=int(body["seed"]),
        operator=strings(body.get("operator")),
        versions=strings(body.get("versions")),
        wall_s=_number(body.get("wall_s")),
        recovery_s=_number(body.get("recovery_s")),
        promises=tuple(_promise(item) for item in body["promises"]),
        assumptions=tuple(_promise(item) for item in body.get("assumptions", ())),
        texts={str(item["id"]): str(item.get("text") or "") for item in listed},
        stale=tuple(_steps(body.get("series", {}).get("stale", ()))),
        delays=tuple(_steps(body.get("series", {}).get("delay", ()))),
        freshness=tuple(_fresh(item) for item in body.get("freshness", {}).get("resources", ())),
        by_node=tuple(_node(item) for item in body.get("freshness", {}).get("nodes", ())),
        reproduce=str(body.get("reproduce") or ""),
        started=started,
        plan=plan,
        body=body,
    )


def _promise(item: Mapping[str, Any]) -> PromiseVerdict:
    findings = tuple(
        Finding(str(f["text"]), str(f["object"]), str(f["expected"]), str(f["reported"]), float(f["t_s"]))
        for f in item.get("findings", ())
    )
    return PromiseVerdict(
        promise=str(item["id"]),
        verdict=Verdict(item["verdict"]),
        examined=int(item.get("examined", 0)),
        unit=str(item.get("unit", "")),
        findings=findings,
        reasons=tuple(str(reason) for reason in item.get("reasons", ())),
        measured={str(key): float(value) for key, value in item.get("measured", {}).items()},
    )


def _fresh(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """One resource's freshness, every part of it of its type."""
    return {
        "resource": str(item["resource"]),
        "node": str(item.get("node", "")),
        **{name: int(item[name]) for name in ("seen", "away_seen", "never")},
        **{name: [float(delay) for delay in item[name]] for name in ("delays", "away")},
        "untrue_s": {str(kind): float(seconds) for kind, seconds in item.get("untrue_s", {}).items()},
    }


def _node(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """One resource of one node, every part of it of its type."""
    return {
        "node": str(item["node"]),
        "resource": str(item["resource"]),
        **{name: int(item[name]) for name in ("causes", "never")},
        **{name: _number(item[name]) for name in ("p50_s", "p90_s", "p99_s", "max_s", "away_max_s")},
        "untrue_s": {str(kind): float(seconds) for kind, seconds in item.get("untrue_s", {}).items()},
    }


def _steps(steps: Iterable[Any]) -> Iterator[Step]:
    for t, value in steps:
        yield float(t), float(value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
