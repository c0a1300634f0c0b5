"""The findings of TRACK_RECORD.md, made from fixtures/data/findings.json: `python -m ci.track_record_page`.

Only what stands between the two marks is made; the rest of the document is written by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.evidence import trackrecord
from harness.fault.schedule import injected
from harness.run.described import scenarios_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.evidence.trackrecord import Finding
    from harness.scenario import Scenario

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "TRACK_RECORD.md"
STORED = ROOT / trackrecord.STORED

BEGIN = "<!-- findings: made from fixtures/data/findings.json by `python -m ci.track_record_page` -->"
END = "<!-- end of findings -->"

AGAIN = """\
When and how each was seen. "Recorded" is the day on which its line was written, where nobody noted when it was found;
"seen again" has the last time, with the count of replays where there was one, which
`harness track-record --replayed 3=counts.json` adds; what is not known is empty. The harm is that of the command's
scenario.
"""


def render(findings: Sequence[Finding], plans: Mapping[str, Scenario]) -> str:
    """What stands between the marks."""
    lines = [f"| {one.number} | {', '.join(one.promises)} | {one.seen} | {one.where} | {one.why} |" for one in findings]
    times = [
        f"| {one.number} | {one.found.on or f'recorded {one.recorded}'} | {', '.join(one.affected)} | {one.fixed} "
        f"| {one.again[-1] if one.again else ''} | {_harm(plans[one.command.scenario])} | `{one.command.words()}` |"
        for one in findings
    ]
    parts = [
        "| # | promise | what was seen | scenario | why |\n|---|---|---|---|---|",
        *lines,
        f"\n{AGAIN}",
        "| # | found | affected | fixed | seen again | harm | command |\n|---|---|---|---|---|---|---|",
        *times,
    ]
    return "\n".join(parts)


def _harm(scenario: Scenario) -> str:
    return ", ".join(dict.fromkeys(f"`{fault.kind}`" for fault in injected(*scenario.faults))) or "none"


def current(document: str) -> str:
    """The document as it should be; raises ValueError where it has not both marks, once each."""
    before, begin, rest = document.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise ValueError(f"{DOCUMENT.name} has not each mark once: {BEGIN} and {END}")
    plans = {scenario.id: scenario for scenario in scenarios_of(ROOT)}
    return f"{before}{BEGIN}\n\n{render(trackrecord.read(STORED), plans)}\n\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(current(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
