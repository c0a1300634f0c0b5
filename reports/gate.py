"""What a gate compared, as Markdown for a pull request and as JUnit XML: `python -m reports.gate DIR`.

Reads comparison.json of a gate's directory, and writes gate.md, gate.xml, gate.html and the reports of both sides'
campaigns.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from harness.errors import HarnessError, HistoryError
from harness.evidence.gate import tally
from reports.disk import replace_text
from reports.gate_page import write_page
from reports.stored import read_object
from reports.visible import count, markdown, shortened, visible
from reports.write import write_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Cell = Mapping[str, Any]

COMPARISON = "comparison.json"
MARKDOWN, JUNIT = "gate.md", "gate.xml"
SIDES = ("candidate", "baseline")
_SECTIONS = (
    ("regression", "Regressions"),
    ("flaky", "Flaky: the repetitions do not agree"),
    ("cannot say", "Cannot say"),
    ("known", "Known"),
    ("better", "Better than the baseline"),
)
_HEADS = {"no worse": "✓ no worse", "a regression": "✗ a regression", "cannot say": "? cannot say"}
_SHOWN_CELLS = 40


def write(out: Path) -> list[Path]:
    """Write all reports of a gate; raises HistoryError without a comparison, PlatformError when the disk is full."""
    problems: list[str] = []
    body = read_object(out / COMPARISON, "gate", problems)
    if body is None or not isinstance(body.get("compared"), list):
        raise HistoryError(f"{out} holds no comparison: {'; '.join(problems) or 'it has another shape'}")
    written = [replace_text(out / MARKDOWN, render(body)), replace_text(out / JUNIT, junit(body))]
    for side in SIDES:
        for campaign in sorted(path for path in (out / side).glob("*") if path.is_dir()):
            written += write_all(campaign)
    return [*written, write_page(out, body, list(_sections(body["compared"])), _said)]


def render(body: Mapping[str, Any]) -> str:
    """The comparison as Markdown: the word first, then what is not the same, worst first."""
    return "\n".join(_lines(body)) + "\n"


def _lines(body: Mapping[str, Any]) -> Iterator[str]:
    cells: Sequence[Cell] = body["compared"]
    yield f"# {_HEADS.get(str(body['verdict']), markdown(str(body['verdict'])))}: {_who(body, 'candidate')}"
    yield ""
    counted = Counter(str(cell["outcome"]) for cell in cells)
    told = ", ".join(f"{number} {name}" for name, number in counted.items())
    yield (
        f"Against {_who(body, 'baseline')}: {count(len({cell['scenario'] for cell in cells}), 'scenario')}, "
        f"{count(len(cells), 'promise')} compared, each run {count(int(body['times']), 'time')}: {told or 'nothing'}."
    )
    for title, chosen in _sections(cells):
        yield from _section(title, chosen)
    if body.get("known_unused"):
        yield from ("", "Known entries that nothing needed:", "")
        yield from (f"- {markdown(str(text))}" for text in body["known_unused"])
    yield ""
    yield f"Seed {body['seed']}, Kubernetes {markdown(str(body['kubernetes']))}."


def _sections(cells: Sequence[Cell]) -> Iterator[tuple[str, Sequence[Cell]]]:
    """What is to be read, by title, the worst first."""
    chosen = [(title, [cell for cell in cells if cell["outcome"] == outcome]) for outcome, title in _SECTIONS]
    flaky = [cell for cell in cells if cell["flaky"] and cell["outcome"] in {"no worse", "better"}]
    broken = [cell for cell in cells if cell["outcome"] == "no worse" and "FAIL" in cell["candidate"]]
    for title, listed in (*chosen, ("No worse, and flaky", flaky), ("Broken in both", broken)):
        if listed:
            yield title, listed


def _section(title: str, cells: Sequence[Cell]) -> Iterator[str]:
    yield from ("", f"## {title}", "", "| scenario | promise | candidate | baseline |", "|---|---|---|---|")
    for cell in cells[:_SHOWN_CELLS]:
        yield (
            f"| {markdown(str(cell['scenario']))} | {markdown(str(cell['promise']))} | {tally(cell['candidate'])} "
            f"| {tally(cell['baseline'])} |"
        )
    if len(cells) > _SHOWN_CELLS:
        yield f"| … and {len(cells) - _SHOWN_CELLS} more | | | |"
    said = [(cell, text) for cell in cells[:_SHOWN_CELLS] for text in _said(cell)]
    if said:
        yield ""
    for cell, text in said:
        yield f"- {markdown(str(cell['scenario']))} {markdown(str(cell['promise']))}: {markdown(shortened(text))}"


def _said(cell: Cell) -> Iterator[str]:
    """What there is to read of a cell."""
    if cell["why"]:
        yield f"known: {cell['why']}"
    yield from (str(text) for text in cell["findings"])
    yield from (f"not shown by the baseline: {text}" for text in cell["new"])
    if not cell["findings"] or cell["outcome"] in {"cannot say", "flaky"}:
        yield from (str(text) for text in cell["reasons"])


def _who(body: Mapping[str, Any], side: str) -> str:
    operator = body[side]
    checksum = str(operator.get("sha256") or "")[:12]
    return markdown(str(operator.get("name") or "unknown")) + (f" ({checksum}…)" if checksum else "")


def junit(body: Mapping[str, Any]) -> str:
    """A test case for each promise of each scenario: a regression is a failure, what cannot be said an error."""
    cells: Sequence[Cell] = body["compared"]
    counted = Counter(str(cell["outcome"]) for cell in cells)
    suites = ET.Element("testsuites")
    suite = ET.SubElement(
        suites, "testsuite", name="inventory-harness gate", tests=str(len(cells)), failures=str(counted["regression"]),
        errors=str(counted["cannot say"] + counted["flaky"]), skipped=str(counted["known"]),
    )  # fmt: skip
    kinds = {"regression": "failure", "cannot say": "error", "flaky": "error", "known": "skipped"}
    for cell in cells:
        case = ET.SubElement(
            suite, "testcase", classname=visible(str(cell["scenario"]).replace("/", "."), keep=""),
            name=visible(str(cell["promise"]), keep=""),
        )  # fmt: skip
        kind = kinds.get(str(cell["outcome"]))
        if kind is not None:
            sides = f"candidate {tally(cell['candidate'])}, baseline {tally(cell['baseline'])}"
            problem = ET.SubElement(case, kind, message=visible(f"{cell['outcome']}: {sides}", keep=""))
            problem.text = visible("\n".join(_said(cell)))
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def main(arguments: Sequence[str]) -> int:
    """Write the reports of the gate in the given directory; what is wrong is said, and 3."""
    try:
        write(Path(arguments[0]))
    except HarnessError as exc:
        sys.stderr.write(f"{exc}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
