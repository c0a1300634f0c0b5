"""What shrinking leaves for others: one file that fails alone, and the text of an issue about it.

The file is a test as those of the suite, with nothing but the harness's public names; only the mark of its promises is
missing, which pytest would not know where the file is alone. Whatever came from outside (names, an operator's last
words) is shown in both, never obeyed.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.check.contract import PROMISES
from harness.cluster.datastore import ETCD
from harness.evidence.source import scenario_source
from harness.fault.schedule import injected, triggers
from harness.run.described import first_sentence
from harness.visible import fenced, line, markdown, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.scenario import Scenario

_SHOWN_FINDINGS = 3
_LONGEST_LINE = 100


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A minimal run that shows it.

    `scenario`: with its seed; `title`: the finding in a few words; `findings`: texts by promise; `shown`, `times`: in
    how many of how many runs; `operator`, `versions`: as the bundle has them; `whole`: whether nothing more could be
    left out; `datastore`: its kind.
    """

    scenario: Scenario
    title: str
    findings: Mapping[str, Sequence[str]]
    shown: int
    times: int
    operator: Mapping[str, str]
    versions: Mapping[str, str]
    datastore: str
    whole: bool = True

    @property
    def promises(self) -> tuple[str, ...]:
        """Those that are broken, as the scenario has them."""
        return tuple(name for name in self.scenario.promises if name in self.findings)

    @property
    def file_name(self) -> str:
        """What the file is called: after the scenario."""
        return f"test_{re.sub(r'[^a-z0-9]+', '_', self.scenario.id.rpartition('/')[2].lower()).strip('_')}.py"


def command(what: Reproduced) -> str:
    """The one command that shows it."""
    words = ["harness", "run", what.file_name]
    if what.operator.get("sha256"):
        words += ["--operator", f"./{what.operator.get('name') or 'operator'}"]
    elif what.operator.get("defect"):
        words += ["--defect", what.operator["defect"]]
    if what.datastore != ETCD:
        words += ["--datastore", what.datastore]
    return " ".join(shlex.quote(word) for word in words)


def alone(what: Reproduced) -> str:
    """The command that shows it without the suite, where the file alone is."""
    return f"pytest {what.file_name}"


def _named(what: Reproduced) -> str:
    """What the file says of the operator, for pytest alone (`harness_pytest`)."""
    path, defect = f"./{what.operator.get('name') or 'operator'}", what.operator.get("defect")
    if what.operator.get("sha256"):
        return f"OPERATOR = {json.dumps(path)}\n"
    return f"DEFECT = {json.dumps(defect)}\n" if defect else ""


def file_text(what: Reproduced) -> str:
    """The file: a docstring that says what is wrong, the scenario, and a test that fails as long as it is."""
    source, names = scenario_source(what.scenario)
    imports = ", ".join(sorted({"PASS", "Run", *names}, key=_import_order))
    said = [f"{name}: {PROMISES[name].text}." for name in what.promises]
    findings = [text for name in what.promises for text in _told(what.findings[name], 1)]
    asserts = "\n".join(f'    assert result["{name}"] is PASS' for name in what.promises)
    head = f"{', '.join(what.promises)} broken in {what.shown} of {what.times} runs."
    about = _docstring([head, "", *said, *(part for text in findings for part in _wrapped(text))])
    return (
        f"{about}\n\nfrom __future__ import annotations\n\nfrom harness import {imports}\n\n"
        f'pytest_plugins = ("harness_pytest",)\n{_named(what)}'
        f"SCENARIO = {source}\n\n\n"
        f"def test_{what.file_name[5:-3]}(run: Run) -> None:\n"
        f'    """{_sentence(what.promises)}."""\n'
        f"    result = run(SCENARIO)\n\n{asserts}\n"
    )


def _import_order(name: str) -> tuple[int, str]:
    """Constants, classes, modules: as the suite's files have them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _wrapped(text: str) -> list[str]:
    """A finding over a few indented lines."""
    return textwrap.wrap(shortened(text, 3 * _LONGEST_LINE), _LONGEST_LINE, initial_indent="  ", subsequent_indent="  ")


def _docstring(lines: Sequence[str]) -> str:
    text = "\n".join(_safe(text) for text in lines)
    return f'"""{text}\n"""'


def _safe(text: str) -> str:
    """Text within a docstring: no quotes that would end it, no escapes, no line that is too long."""
    head = text[: len(text) - len(text.lstrip())]
    return head + shortened(text.replace("\\", "/").replace('"""', "'''").replace('"', "'"), _LONGEST_LINE)


def _sentence(promises: Sequence[str]) -> str:
    names = " and ".join(promises) or "Every promise"
    return f"{names} {'is' if len(promises) == 1 else 'are'} kept"


def _told(findings: Sequence[str], most: int) -> Iterator[str]:
    yield from findings[:most]


def issue(what: Reproduced) -> str:
    """An issue's text in Markdown: what happened, what was expected, versions, steps, the command, and the file."""
    return "\n".join(_issue(what)) + "\n"


def _issue(what: Reproduced) -> Iterator[str]:
    yield f"# {markdown(shortened(what.title, 110))}"
    yield from ("", "## What happened", "")
    for name in what.promises:
        yield from (f"- {markdown(shortened(text, 600))}" for text in _told(what.findings[name], _SHOWN_FINDINGS))
    yield ""
    yield f"Seen in {what.shown} of {what.times} runs of the same plan."
    yield from ("", "## What was expected", "")
    for name in what.promises:
        objective_s = what.scenario.objectives.get(name, PROMISES[name].objective_s)
        within = f", within {objective_s:g} s" if objective_s else ""
        yield f"- {name}: {PROMISES[name].text}{within}."
    yield from ("", "## Versions", "")
    yield f"- operator: {markdown(what.operator.get('name', 'unknown'))}{_checksum(what.operator)}"
    yield from (f"- {markdown(name)}: {markdown(version)}" for name, version in what.versions.items())
    yield from ("", "## Steps", "")
    yield from (f"{number}. {text}" for number, text in enumerate(steps(what), start=1))
    yield from ("", "## To reproduce", "")
    yield f"With inventory-harness and the file below as `{what.file_name}`:"
    yield ""
    yield fenced(command(what)).replace("text\n", "console\n$ ", 1)
    yield ""
    yield f"Or, with the operator where the file names it, `{alone(what)}`."
    yield ""
    yield fenced(file_text(what)).replace("text\n", "python\n", 1)


def _checksum(operator: Mapping[str, str]) -> str:
    return f", sha256 {markdown(operator['sha256'])}" if operator.get("sha256") else ""


def steps(what: Reproduced) -> Iterator[str]:
    """What the run does, in words."""
    scenario = what.scenario
    kind = "" if what.datastore == ETCD else f" on {what.datastore}"
    shape = ", ".join(f"{line(name)} ({_profile(profile)})" for name, profile in list(scenario.nodes.items())[:5])
    more = f" and {len(scenario.nodes) - 5} more" if len(scenario.nodes) > 5 else ""
    yield markdown(f"A control plane{kind} with {len(scenario.nodes)} simulated nodes: {shape}{more}.")
    yield "The operator is started and reports a true inventory."
    if scenario.traffic is not None:
        pods = "plain pods" if scenario.traffic.plain else "pods of odd sizes that also finish and fail"
        many = f"{scenario.traffic.rate:g} operations a second, {scenario.traffic.live} pods at most"
        yield f"{pods.capitalize()} come and go, {many}."
    if scenario.pods:
        yield f"{len(scenario.pods)} {'pod is' if len(scenario.pods) == 1 else 'pods are'} put on the nodes, and stay."
    for fault in injected(*scenario.faults):
        given = ", ".join(f"{name}={value!r}" for name, value in _parameters(fault))
        yield markdown(f"{fault.kind}{f' ({given})' if given else ''}: {first_sentence(type(fault).__doc__)}")
    for trigger in triggers(*scenario.faults):
        yield markdown(f"The harm waits for {trigger.awaited}.")
    if not scenario.faults:
        yield f"Nothing is harmed; the inventory is watched for {scenario.observe_s:g} s."


def _profile(profile: object) -> str:
    plain = ", ".join(f"{name}={value}" for name, value in _parameters(profile))
    return plain or "plain"


def _parameters(value: object) -> list[tuple[str, object]]:
    """The parameters of a fault or a profile that are not the usual ones."""
    fields = dataclasses.fields(value)  # type: ignore[arg-type]
    return [(field.name, getattr(value, field.name)) for field in fields if getattr(value, field.name) != field.default]
