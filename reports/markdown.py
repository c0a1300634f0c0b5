"""The summary as Markdown, for a pull request or an issue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.verdict import FAIL, PASS
from harness.names.naming import USUAL
from reports import fresh, words
from reports.disk import replace_text
from reports.visible import count, fenced, line, markdown, seconds, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reports.campaign import Campaign, Run

REPORT = "report.md"


def write_markdown(campaign: Campaign) -> Path:
    """Write OUT/report.md; raises PlatformError when that is not possible."""
    return replace_text(campaign.out / REPORT, render(campaign))


def render(campaign: Campaign) -> str:
    """The whole report."""
    return "\n".join(_lines(campaign)) + "\n"


def _lines(campaign: Campaign) -> Iterator[str]:
    who = markdown(campaign.operator.get("name", "not known"))
    yield f"# {words.badge(campaign.verdict)}: inventory operator {who}"
    yield ""
    named = f" Names: {markdown(campaign.names)}." if campaign.names else ""
    yield f"{words.size(campaign)}: {words.totals(campaign)}.{named}"
    yield ""
    for how in words.deployments(campaign):
        yield from (f"- {how}", "")
    yield "| scenario | promises kept | not kept | verdict | true again | wall |"
    yield "|---|---|---|---|---:|---:|"
    for run in campaign.runs:
        kept = sum(1 for promise in run.promises if promise.verdict is PASS)
        others = ", ".join(f"{words.SIGN[p.verdict]} {markdown(p.promise)}" for p in run.not_passed)
        yield (
            f"| {markdown(run.id)} | {kept} of {len(run.promises)} | {others} | {words.state(run)} "
            f"| {words.recovery(run)} | {seconds(run.wall_s)} |"
        )
    yield from _compared(campaign)
    yield from _fresh(campaign)
    for run in campaign.runs:
        if run.error is not None or run.verdict is not PASS:
            yield from _explain(run)
    yield from _about(campaign)


def _compared(campaign: Campaign) -> Iterator[str]:
    kinds = words.columns(campaign)
    if kinds:
        yield ""
        yield f"## The same scenarios on several {words.places(campaign)}"
        yield ""
        columns = " | ".join(markdown(kind) for kind in kinds)
        yield f"| scenario | {columns} | slowest / fastest | {words.aspect(campaign)} |"
        yield f"|---|{'---|' * len(kinds)}---:|---|"
    for item in campaign.comparisons:
        cells = " | ".join(words.cell(campaign, item, kind) for kind in kinds)
        yield f"| {markdown(item.scenario)} | {cells} | {words.ratio(item)} | {words.same(item)} |"
    said = [f"{item.scenario}: {shortened(text)}" for item in campaign.comparisons for text in words.contrasts(item)]
    said += words.left_out(campaign.not_applicable)
    if said:
        yield ""
    for text in said:
        yield f"- {markdown(text)}"


def _fresh(campaign: Campaign) -> Iterator[str]:
    """How long changes took to be told: of all runs by resource, and of each run."""
    rows = fresh.of_campaign(campaign)
    if not rows:
        return
    yield ""
    yield "## From the cause to the truth"
    yield ""
    yield f"| resource | causes | {' | '.join(fresh.COLUMNS)} | while it could not see | never |"
    yield f"|---|---:|{'---:|' * len(fresh.COLUMNS)}---:|---:|"
    for row in rows:
        times = " | ".join(seconds(value) for value in row.quantiles)
        away = f"{row.away_seen}, max {seconds(row.away)}" if row.away_seen else "-"
        yield f"| {row.resource} | {row.seen} | {times} | {away} | {row.never or '-'} |"
    names = fresh.measured(campaign)
    yield ""
    yield f"<details><summary>by run: {' / '.join(fresh.COLUMNS)}</summary>"
    yield ""
    yield f"| scenario | {' | '.join(fresh.WORDS[name] for name in names)} |"
    yield f"|---|{'---|' * len(names)}"
    for run in campaign.judged:
        yield f"| {markdown(run.id)} | {' | '.join(fresh.cell(run, name) for name in names)} |"
    yield ""
    yield "</details>"


def _explain(run: Run) -> Iterator[str]:
    yield ""
    yield f"## {words.state(run)}: {markdown(run.id)}"
    yield ""
    if run.error is not None:
        yield f"- {markdown(run.error.error)}"
        if run.error.hint:
            yield f"- hint: {markdown(run.error.hint)}"
    for promise in run.promises:
        if promise.verdict is not FAIL:
            continue
        yield f"- **{markdown(promise.promise)}** FAIL: {markdown(words.promise_text(run, promise.promise))}"
        most = words.SHOWN_FINDINGS
        for finding in promise.findings[:most]:
            yield f"  - {markdown(finding.text)}"
        if len(promise.findings) > most:
            yield f"  - … and {len(promise.findings) - most} more"
    doubts, more = words.main_doubts(run)
    for doubt in doubts:
        yield f"- {markdown(words.unsaid(run, doubt))}: {markdown(shortened(doubt.reason))}"
    if more:
        yield f"- … and {count(more, 'doubt')} more"
    yield from (f"- {markdown(text)}" for text in (f"datastore {words.datastore(run)}", *words.deployed(run)))
    named = f", names {markdown(run.names)}" if run.names != USUAL else ""
    yield f"- seed {run.seed if run.seed is not None else 'not known'}{named}, bundle {markdown(str(run.bundle))}"
    if run.reproduce:
        yield ""
        yield fenced(line(run.reproduce))


def _about(campaign: Campaign) -> Iterator[str]:
    versions = [f"{key} {value}" for key, value in campaign.versions.items()]
    machine = [f"{key} {value}" for key, value in campaign.machine.items()]
    yield ""
    when = markdown(campaign.started) or "at a time not known"
    yield f"Started {when}; {markdown(', '.join([*versions, *machine]))}."
    if campaign.problems:
        yield ""
        yield "Files that are missing or damaged:"
        yield ""
        for problem in campaign.problems:
            yield f"- {markdown(problem)}"
