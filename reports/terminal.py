"""The summary on a terminal. Everything shown is `Text`, never markup: a name cannot colour, link or steer anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harness.check.verdict import FAIL, PASS, UNKNOWN
from harness.names.naming import USUAL
from reports import words
from reports.visible import count, line, seconds, shortened

if TYPE_CHECKING:
    from rich.console import Console

    from harness.check.verdict import PromiseVerdict
    from reports.campaign import Campaign, Run
    from reports.differential import Comparison

LEFT_OUT_NAMED = 6  # the other reports name all
UNKNOWN_NAMED = 3  # more of them have a reason in common, which is shown below the table


def print_summary(campaign: Campaign, console: Console) -> None:
    """Print the table of scenarios, how datastores compare, then what is to be known of each that did not pass."""
    console.print(_table(campaign))
    if campaign.comparisons:
        _say(console, "")
        console.print(_compared(campaign))
        _say(console, "")
        _contrast(console, campaign)
    for text in words.left_out(campaign.not_applicable, LEFT_OUT_NAMED):
        _say(console, line(text))
    for run in campaign.runs:
        if run.error is not None or run.verdict is not PASS:
            _say(console, "")
            _explain(console, run)
    for problem in campaign.problems:
        _say(console, f"note: {line(problem)}", "dim")
    _say(console, "")
    for how in words.deployments(campaign):
        _say(console, how)
    who = line(campaign.operator.get("name", "the operator"))
    named = f" (names: {line(campaign.names)})" if campaign.names else ""
    _say(
        console,
        f"{words.badge(campaign.verdict)}  {who}: {words.totals(campaign)}{named}",
        words.COLOUR[campaign.verdict],
    )


def _table(campaign: Campaign) -> Table:
    table = Table(title=None, expand=False, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("scenario", overflow="fold", ratio=3)
    table.add_column("promises", overflow="fold", ratio=3)
    table.add_column("verdict", no_wrap=True)
    table.add_column("true again", justify="right", no_wrap=True)
    table.add_column("wall", justify="right", no_wrap=True)
    for run in campaign.runs:
        style = words.COLOUR[run.verdict]
        table.add_row(
            Text(line(run.id)), _promises(run), Text(words.state(run), style=style), Text(words.recovery(run)),
            Text(seconds(run.wall_s)),
        )  # fmt: skip
    return table


def _compared(campaign: Campaign) -> Table:
    """A row for each scenario, a column for each datastore: verdict and how soon it was true again."""
    table = Table(title=None, expand=False, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("scenario", overflow="fold", ratio=3)
    kinds = words.columns(campaign)
    for kind in kinds:
        table.add_column(Text(line(kind)), no_wrap=True)
    table.add_column(words.aspect(campaign), no_wrap=True)
    for item in campaign.comparisons:
        cells = [Text(words.cell(campaign, item, kind), style=_style(item, kind)) for kind in kinds]
        style = words.COLOUR[item.verdict] if len(item.runs) > 1 else ""
        table.add_row(Text(line(item.scenario)), *cells, Text(words.same(item), style=style))
    return table


def _style(item: Comparison, kind: str) -> str:
    run = item.runs.get(kind)
    return words.COLOUR[run.verdict] if run is not None else "dim"


def _contrast(console: Console, campaign: Campaign) -> None:
    """Every difference, then how much longer the slowest recovery took than the fastest."""
    for item in campaign.comparisons:
        for text in words.contrasts(item):
            _say(console, f"{line(item.scenario)}: {shortened(text)}", words.COLOUR[item.verdict])
    spread = [item for item in campaign.comparisons if item.spread is not None]
    if spread:
        _say(console, "slowest to fastest recovery:")
    for item in sorted(spread, key=lambda item: -item.spread.ratio if item.spread is not None else 0.0):
        _say(console, f"  {words.ratio(item):>5}  {line(item.scenario)} ({line(words.extremes(item))})")


def _promises(run: Run) -> Text:
    """How many were kept, and the names of those that were not."""
    kept = sum(1 for promise in run.promises if promise.verdict is PASS)
    shown = Text(f"{kept}/{len(run.promises)} kept" if run.promises else "none judged")
    for verdict in (FAIL, UNKNOWN):
        named = [line(promise.promise) for promise in run.promises if promise.verdict is verdict]
        if verdict is UNKNOWN and len(named) > UNKNOWN_NAMED:
            named = [f"{len(named)} unknown"]
        for name in named:
            shown.append(f" {words.SIGN[verdict]}{name}", style=words.COLOUR[verdict])
    return shown


def _explain(console: Console, run: Run) -> None:
    _say(console, f"{words.state(run)}  {line(run.id)}", words.COLOUR[run.verdict])
    if run.error is not None:
        _say(console, f"  {line(run.error.error)}")
        if run.error.hint:
            _say(console, f"  hint: {line(run.error.hint)}")
    for promise in run.promises:
        if promise.verdict is FAIL:
            _say(console, f"  {promise.promise} FAIL: {line(words.promise_text(run, promise.promise))}")
            _findings(console, promise)
    doubts, more = words.main_doubts(run)
    for doubt in doubts:
        _say(console, f"  {words.unsaid(run, doubt)}: {shortened(doubt.reason)}")
    if more:
        _say(console, f"  ... and {count(more, 'doubt')} more")
    _say(console, f"  datastore: {line(words.datastore(run))}")
    if run.names != USUAL:
        _say(console, f"  names: {line(run.names)}")
    for how in words.deployed(run):
        _say(console, f"  {how}")
    _say(console, f"  seed: {run.seed if run.seed is not None else 'not known'}")
    _say(console, f"  bundle: {line(str(run.bundle))}")
    if run.reproduce:
        _say(console, f"  reproduce: {line(run.reproduce)}")


def _findings(console: Console, promise: PromiseVerdict) -> None:
    most = words.SHOWN_FINDINGS
    for finding in promise.findings[:most]:
        _say(console, f"    - {line(finding.text)}")
    if len(promise.findings) > most:
        _say(console, f"    ... and {len(promise.findings) - most} more")


def _say(console: Console, text: str, style: str = "") -> None:
    """One line, never broken or cut, so that paths and commands can be copied."""
    console.print(Text(text, style=style), soft_wrap=True)
