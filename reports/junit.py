"""junit.xml for continuous integration: a test case for each run, its promises as properties, and each comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from harness.check.verdict import FAIL, PASS
from reports import words
from reports.disk import replace_text
from reports.visible import visible

if TYPE_CHECKING:
    from pathlib import Path

    from reports.campaign import Campaign, Run
    from reports.differential import Comparison, NotApplicable

JUNIT = "junit.xml"


def write_junit(campaign: Campaign) -> Path:
    """Write OUT/junit.xml; raises PlatformError when that is not possible."""
    return replace_text(campaign.out / JUNIT, render(campaign))


def render(campaign: Campaign) -> str:
    """FAIL is a failure; UNKNOWN, and a run that did not take place, are errors: neither may pass a build."""
    suites = ET.Element("testsuites")
    compared = [item for item in campaign.comparisons if len(item.runs) > 1]
    verdicts = [*(run.verdict for run in campaign.runs), *(item.verdict for item in compared)]
    failures = verdicts.count(FAIL)
    errors = len(verdicts) - failures - verdicts.count(PASS)
    skipped = len(campaign.not_applicable)
    suite = ET.SubElement(
        suites, "testsuite", name="inventory-harness", tests=str(len(verdicts) + skipped), failures=str(failures),
        errors=str(errors), skipped=str(skipped), time=f"{sum(run.wall_s or 0.0 for run in campaign.runs):.3f}",
        timestamp=visible(campaign.started, keep=""),
    )  # fmt: skip
    for run in campaign.runs:
        _case(suite, run)
    for item in compared:
        _compared(suite, item)
    for left_out in campaign.not_applicable:
        _left_out(suite, left_out)
    ET.indent(suites)
    text = ET.tostring(suites, encoding="unicode", short_empty_elements=True)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _case(suite: ET.Element, run: Run) -> None:
    group, _, name = run.id.rpartition("/")
    case = ET.SubElement(
        suite, "testcase", classname=_attribute(group.replace("/", ".") or "scenarios"), name=_attribute(name),
        time=f"{run.wall_s or 0.0:.3f}",
    )  # fmt: skip
    properties = ET.SubElement(case, "properties")
    for key, value in _properties(run).items():
        ET.SubElement(properties, "property", name=_attribute(key), value=_attribute(value))
    if run.error is not None:
        _problem(case, "error", "ERROR", run.error.error, f"{run.error.error}\n{run.error.hint}")
    elif run.verdict is not PASS:
        kind = "failure" if run.verdict is FAIL else "error"
        _problem(case, kind, str(run.verdict), words.outcome(run), "\n".join(_explained(run)))


def _left_out(suite: ET.Element, item: NotApplicable) -> None:
    """What could not be run there at all is listed, and is neither passed nor failed."""
    name = f"{item.test}@{item.place}"
    case = ET.SubElement(suite, "testcase", classname="not-applicable", name=_attribute(name), time="0.000")
    ET.SubElement(case, "skipped", message=_attribute(f"not applicable on {item.place}: {item.why}"))


def _compared(suite: ET.Element, item: Comparison) -> None:
    """The comparison of a scenario's final inventories, or verdicts, is a test case of its own."""
    case = ET.SubElement(suite, "testcase", classname=_aspect(item), name=_attribute(item.scenario), time="0.000")
    if item.verdict is not PASS:
        kind = "failure" if item.verdict is FAIL else "error"
        on = ", ".join(item.runs)
        _problem(case, kind, str(item.verdict), f"{words.same(item)} on {on}", "\n".join(words.contrasts(item)))


def _aspect(item: Comparison) -> str:
    return "same-verdicts" if item.of_verdicts else "same-inventory"


def _properties(run: Run) -> dict[str, str]:
    found = {promise.promise: str(promise.verdict) for promise in run.promises}
    known = {"seed": run.seed, "recovery_s": run.recovery_s, "operator": run.operator.get("name"), "bundle": run.bundle}
    known["datastore"], known["names"] = words.datastore(run), run.names
    return {**found, **{key: str(value) for key, value in known.items() if value is not None}}


def _explained(run: Run) -> list[str]:
    lines: list[str] = []
    for promise in run.promises:
        if promise.verdict is FAIL:
            lines.append(f"{promise.promise} FAIL: {words.promise_text(run, promise.promise)}")
            lines += [f"  {finding.text}" for finding in promise.findings]
    lines += [f"{words.unsaid(run, doubt)}: {doubt.reason}" for doubt in words.doubts(run)]
    return [*lines, f"reproduce: {run.reproduce}"]


def _problem(case: ET.Element, kind: str, verdict: str, message: str, text: str) -> None:
    # XML 1.0 has no way to hold control characters; `visible` writes them out.
    ET.SubElement(case, kind, type=verdict, message=_attribute(message)).text = visible(text)


def _attribute(text: str) -> str:
    return visible(text, keep="")
