"""docs/contract.md, made from the tables and the tests: `python -m ci.contract_page`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.check.clauses import CLAUSES, SECTIONS
from harness.check.contract import PROMISES
from harness.run.suite import clauses_of, suite_tests

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.run.suite import SuiteTest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "contract.md"
SHOWN = 3
"""Scenarios that are named in a row; the rest are counted."""

HEAD = """\
# The contract

What an inventory operator is held to. Part A is the interface of the Akash provider's `operator inventory`, as far as
another program can know it: how it is called, what it reads and writes, what it answers. Part B is what must be true of
it whatever happens.

`harness conformance --operator ./provider-services` runs the conformance suite (`scenarios/conformance` and
`scenarios/regression`), prints a verdict for each promise and each clause, and writes a conformance bundle;
`harness conformance --verify conformance.zip` judges that bundle again from the histories in it.

Made from `harness/check/clauses.py`, `harness/check/contract.py` and the marks of the tests by
`python -m ci.contract_page`; a test keeps it up to date.
"""

PART_A = """\
## A. The interface

A clause says how the operator is spoken to, not what must be true. Its verdict is that of the promises beside it, in
the scenarios whose tests carry its id (the mark `clause`). Where there are none, the reason stands in their place.
"""

PART_B = """\
## B. The promises

Objectives are in seconds; a scenario may state another, with its reason. Without one the promise holds at every moment.
The scenarios are those of the conformance suite; there are more.
"""


def render(tests: Sequence[SuiteTest]) -> str:
    """The whole document."""
    suite = [test for test in tests if test.conformance]
    return "\n".join([HEAD, PART_A, *_part_a(clauses_of(suite)), PART_B, *_part_b(suite)]) + "\n"


def _part_a(clauses: Mapping[str, Sequence[str]]) -> list[str]:
    carrying = {clause: [name for name, ids in clauses.items() if clause in ids] for clause in CLAUSES}
    lines = []
    for section, title in SECTIONS.items():
        lines += [f"### {title}\n", "| clause | what it says | judged by | scenarios |\n|---|---|---|---|"]
        lines += [
            f"| {clause.id} | {_cell(clause.text)} | {', '.join(clause.judged_by)} "
            f"| {_named(carrying[clause.id]) or _cell(clause.reason)} |"
            for clause in CLAUSES.values()
            if clause.section == section
        ]
        lines.append("")
    return lines


def _part_b(tests: Iterable[SuiteTest]) -> list[str]:
    scenarios: dict[str, dict[str, None]] = {promise: {} for promise in PROMISES}
    for test in tests:
        for promise in test.promises:
            scenarios[promise].update(dict.fromkeys(test.scenarios))
    return [
        "| promise | text | objective | scenarios |\n|---|---|---|---|",
        *(
            f"| {promise.id} | {_cell(promise.text)} | {f'{promise.objective_s:g}' if promise.objective_s else ''} "
            f"| {_named(sorted(scenarios[promise.id])) or 'not judged yet'} |"
            for promise in PROMISES.values()
        ),
    ]


def _named(scenarios: Sequence[str]) -> str:
    named = ", ".join(f"`{name}`" for name in scenarios[:SHOWN])
    return f"{named} and {len(scenarios) - SHOWN} more" if len(scenarios) > SHOWN else named


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def current() -> str:
    """The document as it should be."""
    return render(suite_tests(ROOT))


if __name__ == "__main__":
    DOCUMENT.write_text(current(), encoding="utf-8")
