"""docs/saboteurs.md, made from the table: `python -m tests.saboteurs.document`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from harness.check.contract import PROMISES
from harness.reference.defects import DEFECTS
from tests.saboteurs.table import ROOT, Row, load

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCUMENT = ROOT / "docs" / "saboteurs.md"

HEAD = """\
# Saboteurs

A checker that has never failed proves nothing. Each saboteur is the reference operator with exactly one known defect
(`harness run --defect NAME`); each is run through a real scenario on a real control plane, and must be caught by the
promises named here and by no others, with findings that speak of the defect. The plain reference operator passes the
same scenarios. `tox run -e saboteurs` runs the whole table.

Made from `fixtures/data/saboteurs.toml` by `python -m tests.saboteurs.document`; a test keeps it up to date.
"""


def render(rows: Sequence[Row]) -> str:
    """The whole document."""
    by_defect = [
        f"| `{row.defect}` | {DEFECTS[row.defect].description} | `{row.test.removeprefix('scenarios/')}` "
        f"| {', '.join(row.fails)} | {row.why} |"
        for row in rows
    ]
    catching: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        for promise in row.fails:
            if f"`{row.defect}`" not in catching[promise]:
                catching[promise].append(f"`{row.defect}`")
    by_promise = [
        f"| {promise.id} | {promise.text} | {', '.join(catching[promise.id])} |"
        for promise in PROMISES.values()
        if promise.judged
    ]
    parts = [
        HEAD,
        "## By saboteur\n",
        "| saboteur | what is wrong with it | test in `scenarios/` | FAIL | why more than one |\n|---|---|---|---|---|",
        *by_defect,
        "\n## By promise\n",
        "| promise | text | proven on |\n|---|---|---|",
        *by_promise,
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(render(load()), encoding="utf-8")
