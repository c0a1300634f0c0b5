"""HTML: one page for the campaign, one for each run. All is in the file: no script, style or font from elsewhere.

Every value goes through the template engine's escaping, after characters that cannot be seen were written out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.check.contract import PROMISES
from harness.errors import HarnessError, HistoryError
from harness.history import reader
from harness.process.child import tail
from reports import fresh, words
from reports.campaign import HISTORY, Campaign, Run
from reports.disk import replace_text
from reports.plot import STATE_WORDS, Plot, draw
from reports.spread import draw_spread
from reports.timeline import Event, Timeline, build
from reports.visible import count, measured, seconds, shortened, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.check.verdict import Finding, PromiseVerdict

INDEX, PAGE = "index.html", "report.html"
STDERR_LOG = "logs/operator.stderr.log"
STDERR_LINES = 40
EVENTS_SHOWN = 300
PLAN_SHOWN = 20_000  # characters; the plan of 5,000 nodes would be most of the page


@dataclass(frozen=True, slots=True)
class Numbered:
    """A finding with its number on the page and the promise that it breaks."""

    number: int
    promise: str
    finding: Finding


def write_index(campaign: Campaign) -> Path:
    """Write OUT/index.html; raises PlatformError when that is not possible."""
    columns = [name for name in PROMISES if any(name == p.promise for run in campaign.runs for p in run.promises)]
    known = {p.promise for run in campaign.runs for p in run.promises}
    text = environment().get_template("campaign.html.j2").render(
        campaign=campaign, columns=[*columns, *sorted(known - set(columns))], totals=words.totals(campaign),
        size=words.size(campaign), kinds=words.columns(campaign), strip=draw_spread(campaign.comparisons),
        left_out=words.left_out(campaign.not_applicable), deployments=words.deployments(campaign),
        fresh_rows=fresh.of_campaign(campaign), places=words.places(campaign), aspect=words.aspect(campaign),
        cells={run.id: {p.promise: p for p in run.promises} for run in campaign.runs},
        not_passed=[run for run in campaign.judged if run.not_passed or str(run.verdict) != "PASS"],
    )  # fmt: skip
    return replace_text(campaign.out / INDEX, text)


def write_page(campaign: Campaign, run: Run) -> Path:
    """Write report.html into the run's bundle; raises PlatformError when that is not possible.

    A history that cannot be read costs the page its timeline, and the page says why.
    """
    text = page(run, index="../" * len(Path(run.id).parts) + INDEX, machine=dict(campaign.machine))
    return replace_text(run.bundle / PAGE, text)


def page(run: Run, *, index: str, machine: dict[str, Any]) -> str:
    """The page of one run; `index`: the campaign's page as seen from it, empty where there is none."""
    findings = _numbered(run.promises)
    timeline, plot, trouble = _timeline(run, findings)
    return environment().get_template("run.html.j2").render(
        run=run, index=index, machine=machine, findings=findings, timeline=timeline, plot=plot, trouble=trouble,
        events=_shown(timeline.events) if timeline else [], hidden=_hidden(timeline), states=_legend(plot),
        numbers={name: [n.number for n in findings if n.promise == name] for name in {n.promise for n in findings}},
        stderr=tail(run.bundle / STDERR_LOG, STDERR_LINES), files=_files(run.bundle),
        plan=_plan(run), doubts=words.doubts(run),
    )  # fmt: skip


def _timeline(run: Run, findings: Sequence[Numbered]) -> tuple[Timeline | None, Plot | None, str]:
    try:
        timeline = build(reader.read(run.bundle / HISTORY))
        return timeline, draw(timeline, run.stale, [found.finding.t_s for found in findings], run.delays), ""
    except HistoryError as exc:
        return None, None, exc.what
    except (KeyError, TypeError, ValueError) as exc:
        return None, None, f"the history has a record that this version cannot draw ({type(exc).__name__}: {exc})"


def _legend(plot: Plot | None) -> dict[str, str]:
    """The words of the states that are drawn."""
    drawn = {box.state for box in plot.boxes} if plot is not None else set()
    return {state: words for state, words in STATE_WORDS.items() if state in drawn}


def _numbered(promises: Sequence[PromiseVerdict]) -> list[Numbered]:
    listed = [(finding, promise.promise) for promise in promises for finding in promise.findings]
    return [Numbered(number, promise, finding) for number, (finding, promise) in enumerate(listed, start=1)]


def _shown(events: Sequence[Event]) -> list[Event]:
    """All events, or the first and the last ones of a long run."""
    half = EVENTS_SHOWN // 2
    return list(events) if len(events) <= EVENTS_SHOWN else [*events[:half], *events[-half:]]


def _hidden(timeline: Timeline | None) -> int:
    return max(0, len(timeline.events) - EVENTS_SHOWN) if timeline is not None else 0


def _plan(run: Run) -> str:
    text = json.dumps(run.plan, indent=2, ensure_ascii=False) if run.plan else ""
    return text if len(text) <= PLAN_SHOWN else f"{text[:PLAN_SHOWN]}\n… cut here; plan.json has the rest"


def _files(bundle: Path) -> list[str]:
    """The bundle's files as relative paths, without the page itself."""
    try:
        found = sorted(path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file())
    except OSError as exc:
        raise HarnessError(f"cannot list the bundle {bundle}: {exc.strerror}") from exc
    return [name for name in found if name != PAGE and not name.startswith(".")]


def link(path: str) -> str:
    """A relative path as a link: quoted, and never taken for a scheme or an absolute address."""
    return "./" + quote(path)


def parted(name: str) -> Markup:
    """A name that may be broken behind a slash, where a reader expects it, before it is broken anywhere."""
    return Markup("/<wbr>").join(Markup.escape(part) for part in visible(name).split("/"))


def _shown_text(value: Any) -> Any:
    return visible(value) if type(value) is str else value


def environment() -> Environment:
    """The template engine, with all that pages have in common."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
        # Only plain strings: what the engine has marked as its own markup stays.
        finalize=_shown_text,
    )  # fmt: skip
    environment.filters.update(
        link=link, parted=parted, seconds=seconds, px=lambda value: f"{value:.1f}".removesuffix(".0")
    )
    environment.globals.update(
        badge=words.badge, sign=words.SIGN, state=words.state, outcome=words.outcome, recovery=words.recovery,
        harm=words.harm, setting=words.setting, objective=words.objective, promise_text=words.promise_text,
        main_doubts=words.main_doubts, unsaid=words.unsaid, shortened=shortened, promises=PROMISES, measured=measured,
        count=count, page_name=PAGE, shown_findings=words.SHOWN_FINDINGS, datastore=words.datastore,
        fresh_of=fresh.of_run, fresh_by_node=fresh.by_node, on_datastore=words.cell, same=words.same, ratio=words.ratio,
        contrasts=words.contrasts,
    )  # fmt: skip
    return environment
