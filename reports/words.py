"""What the reports say about verdicts, in words and signs; the same in every format, readable without colour."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.check.contract import PROMISES
from harness.check.verdict import FAIL, PASS, UNKNOWN, Verdict
from reports.differential import EMBEDDED, in_order
from reports.visible import count, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.campaign import Campaign, Run
    from reports.differential import Comparison, NotApplicable

SIGN = {PASS: "✓", FAIL: "✗", UNKNOWN: "?"}
COLOUR = {PASS: "green", FAIL: "bold red", UNKNOWN: "yellow"}
SHOWN_FINDINGS = 3
SHOWN_DOUBTS = 5
SHOWN_DIFFERENCES = 20
RATIO_SHOWN = 1000


def badge(verdict: Verdict) -> str:
    """The sign and the word: "✓ PASS", "✗ FAIL", "? UNKNOWN"."""
    return f"{SIGN[verdict]} {verdict}"


def state(run: Run) -> str:
    """The badge of a run; a run that the harness could not carry out is an error, not a verdict."""
    return "! ERROR" if run.error is not None else badge(run.verdict)


def promise_text(run: Run, promise: str) -> str:
    """What the promise says."""
    known = PROMISES.get(promise)
    return run.texts.get(promise) or (known.text if known is not None else "")


def objective(run: Run, promise: str) -> str:
    """The recovery objective of the promise in this run: "always", "5 s", "8 s (this scenario's own)"."""
    own = _scenario(run).get("objectives")
    if isinstance(own, dict) and isinstance(own.get(promise), int | float):
        return f"{own[promise]:g} s (this scenario's own)"
    known = PROMISES.get(promise)
    if known is None:
        return ""
    return f"{known.objective_s:g} s" if known.objective_s else "always"


def harm(run: Run) -> list[str]:
    """Each planned fault or schedule in words: "api server killed for 5 s"."""
    faults = _scenario(run).get("faults")
    return [_fault(fault) for fault in faults if isinstance(fault, dict)] if isinstance(faults, list) else []


def _fault(fault: dict[str, Any]) -> str:
    if "schedule" in fault:
        return _schedule(fault)
    kind = str(fault.get("kind", "unknown fault")).replace("-", " ")
    for_s = fault.get("for_s")
    return f"{kind} for {for_s:g} s" if isinstance(for_s, int | float) and for_s else kind


def _schedule(step: dict[str, Any]) -> str:
    """A schedule and what it is made of: "parallel (node deleted for 6 s; api hangs for 8 s)"."""
    listed = [one for value in step.values() for one in (value if isinstance(value, list) else [value])]
    steps = "; ".join(_fault(one) for one in listed if isinstance(one, dict) and {"kind", "schedule"} & set(one))
    return f"{str(step['schedule']).replace('-', ' ')} ({steps})"


def _scenario(run: Run) -> dict[str, Any]:
    scenario = run.plan.get("scenario")
    return scenario if isinstance(scenario, dict) else {}


def setting(run: Run) -> str:
    """What was there: "3 nodes, traffic 8/s, the operator under a supervisor"."""
    scenario = _scenario(run)
    parts: list[str] = []
    nodes = scenario.get("nodes")
    if isinstance(nodes, dict):
        parts.append(count(len(nodes), "node"))
    traffic = scenario.get("traffic")
    if isinstance(traffic, dict):
        rate = traffic.get("rate")
        parts.append(f"pod traffic at {rate:g} operations/s" if isinstance(rate, int | float) else "pod traffic")
    elif scenario:
        parts.append("no traffic")
    return ", ".join([*parts, *deployed(run)])


def deployed(run: Run) -> list[str]:
    """How the operator was supervised, where it was: one phrase, or none."""
    scenario = _scenario(run)
    if not scenario.get("supervised"):
        return []
    also = " or the chart's liveness script fails" if scenario.get("liveness") else ""
    scale = scenario.get("backoff_scale")
    waits = f" (waits {scale:g} of a kubelet's)" if isinstance(scale, int | float) else ""
    return [f"operator restarted when it exits{also}{waits}"]


def deployments(campaign: Campaign) -> list[str]:
    """How many of the runs were under which supervisor, one line for each that there was."""
    found = Counter(how for run in campaign.runs for how in deployed(run))
    return [f"{how}: {number} of {count(len(campaign.runs), 'run')}" for how, number in found.items()]


def outcome(run: Run) -> str:
    """One sentence about a run."""
    if run.error is not None:
        return f"The harness could not judge this run: {run.error.error}"
    total, broken = len(run.promises), [p.promise for p in run.promises if p.verdict is FAIL]
    unknown = [p.promise for p in run.promises if p.verdict is UNKNOWN]
    who = run.operator.get("name", "the operator")
    if broken:
        also = f"; of {', '.join(unknown)} nothing can be said" if unknown else ""
        return f"{who} broke {len(broken)} of {count(total, 'promise')}: {', '.join(broken)}{also}."
    if unknown or run.verdict is UNKNOWN:
        what = "any promise" if len(unknown) == total else ", ".join(unknown) or "this run"
        return f"Nothing can be said of {what}: the run did not show enough."
    return f"{who} kept {'the promise' if total == 1 else f'all {total} promises'} it was held to."


def recovery(run: Run) -> str:
    """How long until the inventory was true again: "3.2 s", "never", "-" where nothing was to recover from."""
    broken = any(p.promise == "RECOVER-1" and p.verdict is FAIL for p in run.promises)
    if run.recovery_s is None and broken:
        return "never"
    return seconds(run.recovery_s)


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason why something cannot be said, and the promises that it leaves UNKNOWN (none: the run as a whole)."""

    reason: str
    promises: tuple[str, ...]


def doubts(run: Run) -> list[Doubt]:
    """Every reason of a run once: a gate that failed is one reason for ten promises, not ten."""
    names = {assumption.promise for assumption in run.assumptions}
    found: dict[str, list[str]] = {}
    for promise in run.promises:
        for reason in promise.reasons:
            # A doubt of an assumption is passed on to the promises under its name ("GATE: the gate failed …").
            head, colon, rest = reason.partition(": ")
            listed = found.setdefault(rest if colon and head in names else reason, [])
            if promise.promise not in listed:
                listed.append(promise.promise)
    for assumption in run.assumptions:
        for reason in assumption.reasons:
            found.setdefault(reason, [])
    return [Doubt(reason, tuple(promises)) for reason, promises in found.items()]


def main_doubts(run: Run) -> tuple[list[Doubt], int]:
    """The doubts to show where room is short, and how many more there are.

    Where one reason alone leaves every UNKNOWN promise open (the gate failed), the others only follow from it.
    """
    found = doubts(run)
    unknown = {promise.promise for promise in run.promises if promise.verdict is UNKNOWN}
    roots = [doubt for doubt in found if len(unknown) > 1 and unknown <= set(doubt.promises)]
    shown = roots[:1] or found[:SHOWN_DOUBTS]
    return shown, len(found) - len(shown)


def unsaid(run: Run, doubt: Doubt) -> str:
    """What a doubt leaves open: "cannot say AVAIL-1", "cannot say any of 9 promises", "the run is in doubt"."""
    if not doubt.promises:
        return "the run is in doubt"
    if len(doubt.promises) == len(run.promises) > 1:
        return f"cannot say any of {len(run.promises)} promises"
    return f"cannot say {', '.join(doubt.promises)}"


def totals(campaign: Campaign) -> str:
    """How many of each: "18 PASS, 2 FAIL, 1 ERROR", and how many scenarios differ from datastore to datastore."""
    found = Counter(str(run.verdict) for run in campaign.judged)
    found["ERROR"] = len(campaign.errors)
    said = [f"{found[name]} {name}" for name in ("PASS", "FAIL", "UNKNOWN", "ERROR") if found[name]]
    compared = Counter(item.verdict for item in campaign.comparisons)
    what = "verdicts" if aspect(campaign) == "verdicts" else "final inventories"
    said += [f"{compared[FAIL]} with different {what}"] if compared[FAIL] else []
    said += [f"{compared[UNKNOWN]} not comparable"] if compared[UNKNOWN] else []
    return ", ".join(said) or "no scenarios were run"


def size(campaign: Campaign) -> str:
    """How much was run: "12 scenarios", "30 runs of 12 scenarios"."""
    if not campaign.comparisons:
        return count(len(campaign.runs), "scenario")
    return f"{count(len(campaign.runs), 'run')} of {count(len(campaign.comparisons), 'scenario')}"


def datastore(run: Run) -> str:
    """What held the cluster's state: "etcd3: etcd v3.6.8, 3 members"; the kind alone where no more is known.

    Behind another backend than the embedded one, its name: "etcd on kind".
    """
    version = run.versions.get("datastore")
    said = f"{run.datastore}: {version}" if version else run.datastore
    return said if run.backend == EMBEDDED else f"{said} on {run.backend}"


def columns(campaign: Campaign) -> list[str]:
    """The datastores and backends that a comparison has a column for: those that something ran on."""
    return in_order(kind for item in campaign.comparisons for kind in item.runs)


def places(campaign: Campaign) -> str:
    """What its columns are: datastores, or backends."""
    return "backends" if any(item.of_verdicts for item in campaign.comparisons) else "datastores"


def aspect(campaign: Campaign) -> str:
    """What is compared between them."""
    return "verdicts" if any(item.of_verdicts for item in campaign.comparisons) else "final inventory"


def cell(campaign: Campaign, item: Comparison, kind: str) -> str:
    """A scenario on a datastore: "✓ 2.1 s", "✗ never", "n/a" where it is not possible, "-" where it was not run."""
    run = item.runs.get(kind)
    if run is None:
        left_out = any((one.test, one.place) == (item.scenario, kind) for one in campaign.not_applicable)
        return "n/a" if left_out else "-"
    sign = "!" if run.error is not None else SIGN[run.verdict]
    again = recovery(run)
    return sign if again == "-" else f"{sign} {again}"


def same(item: Comparison) -> str:
    """Whether the final inventory, or each verdict, is the same everywhere; "-" where there is but one."""
    if len(item.runs) < 2:
        return "-"
    if item.of_verdicts:
        return {PASS: "✓ same verdicts", FAIL: "✗ other verdicts", UNKNOWN: "? not comparable"}[item.verdict]
    return {PASS: "✓ same", FAIL: "✗ different", UNKNOWN: "? not comparable"}[item.verdict]


def contrasts(item: Comparison) -> list[str]:
    """One line for each difference, as many as are shown, and why something could not be compared."""
    found = list(item.agreement.differences)
    more = len(found) - SHOWN_DIFFERENCES
    lines = [*found[:SHOWN_DIFFERENCES], *([f"… and {more} more, in summary.json"] if more > 0 else [])]
    doubt = f"not comparable: {item.agreement.why}"
    return [*lines, doubt] if item.agreement.why and len(item.runs) > 1 else lines


def ratio(item: Comparison) -> str:
    """How many times as long the slowest recovery took as the fastest: "2.8"; "-" where fewer than two are known."""
    if item.spread is None:
        return "-"
    return f"{item.spread.ratio:.1f}" if item.spread.ratio < RATIO_SHOWN else f"over {RATIO_SHOWN}"


def extremes(item: Comparison) -> str:
    """The fastest and the slowest recovery: "2.1 s on etcd, 5.9 s on sqlite"."""
    ends = (item.spread.fastest, item.spread.slowest) if item.spread is not None else ()
    return ", ".join(f"{recovery(item.runs[kind])} on {kind}" for kind in ends)


def left_out(found: Iterable[NotApplicable], most: int | None = None) -> list[str]:
    """Lines as "not applicable on sqlite, postgres: chaos/leader-moved, … (possible on etcd3)".

    `most`: how many scenarios each of them names; None: all.
    """
    kinds: dict[tuple[str, str], list[str]] = {}
    for one in found:
        kinds.setdefault((one.test, one.why), []).append(one.place)
    tests: dict[tuple[str, str], list[str]] = {}
    for (test, why), on in kinds.items():
        tests.setdefault((", ".join(in_order(on)), why), []).append(test)
    return [f"not applicable on {on}: {_some(names, most)} ({why})" for (on, why), names in tests.items()]


def _some(names: list[str], most: int | None) -> str:
    more = 0 if most is None else len(names) - most
    return f"{', '.join(names[:most])} and {more} more" if more > 0 else ", ".join(names)
