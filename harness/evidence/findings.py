"""When two findings of different runs are the same one.

Times, counts and amounts differ from run to run. What stays is the promise, what the finding is about (the aspect: a
field, the process, an answer), of which kind it is (lost, ghost, over, under, a panic and which), and its object. Two
findings that differ in the object alone are alike: the same defect may hit another node.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.check.contract import Judgement
    from harness.check.verdict import Finding

_OF_NODE = re.compile(r"node (?P<object>\S+)(?:: (?P<aspect>.+))?")
_OF_NODES = re.compile(r"\d+ nodes \((?P<object>.*)\)")
_KIND = re.compile(r"\b(lost|ghost|over|under|info): expected\b|\bis (negative)\b|\b(rose) from\b")
_DYING = re.compile(r"^\s*((?:panic|fatal error|Error): .*)$", re.MULTILINE)
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+")
_SOURCES = frozenset({"rest", "query", "stream"})
_RECOVERY, _SOURCE_PATH = "recovery from ", re.compile(r"(?:rest|query|stream): (?P<aspect>.+)")


@dataclass(frozen=True, slots=True, order=True)
class Signature:
    """What makes a finding the one it is; `object` is empty where there can be only one."""

    promise: str
    aspect: str
    kind: str
    object: str

    @property
    def alike(self) -> tuple[str, str, str]:
        """All but the object."""
        return (self.promise, self.aspect, self.kind)

    def __str__(self) -> str:
        said = " ".join(part for part in (self.aspect, self.kind) if part)
        return f"{self.promise}: {said}{f' ({self.object})' if self.object else ''}"


def signature(promise: str, finding: Finding) -> Signature:
    """The signature of one finding."""
    about = finding.object
    found = _KIND.search(finding.text)
    kind = next((word for word in found.groups() if word), "") if found else ""
    aspect, which = about, ""
    if nodes := _OF_NODES.fullmatch(about):
        aspect, kind, which = "nodes", "lost", nodes["object"]
    elif node := _OF_NODE.fullmatch(about):
        aspect, which = node["aspect"] or "nodes", node["object"]
        kind = kind or ("" if node["aspect"] else "lost")
    elif about.startswith(_RECOVERY):
        aspect, kind, which = "recovery", "late", about.removeprefix(_RECOVERY)
    elif about in _SOURCES:
        aspect, kind, which = "answers", _plain(finding.reported), about
    elif path := _SOURCE_PATH.fullmatch(about):
        aspect, kind, which = _plain(path["aspect"]), "shape", about.partition(":")[0]
    elif about == "operator process":
        words = _DYING.search(finding.text.replace("; its last words: ", "\n"))
        kind = _plain(words[1]) if words else "exit"
    return Signature(promise, aspect, kind, which)


def _plain(text: str) -> str:
    """Without numbers, which differ from run to run."""
    return _NUMBER.sub("#", text.strip())


def signatures(judgement: Judgement, promises: Iterable[str] = ()) -> frozenset[Signature]:
    """Those of all findings of a run; `promises`: of these alone, when there are any."""
    wanted = frozenset(promises)
    return frozenset(
        signature(verdict.promise, finding)
        for verdict in judgement.promises
        if not wanted or verdict.promise in wanted
        for finding in verdict.findings
        if not re.fullmatch(r"\d+ more", finding.object)
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """How much of what was looked for a run has shown, for one promise: `same` finding, or one that is `alike`."""

    promise: str
    same: bool
    alike: bool


def shown(wanted: Iterable[Signature], found: Iterable[Signature]) -> tuple[Shown, ...]:
    """For each promise of the wanted findings: whether any of its findings was found again."""
    there = frozenset(found)
    alike = {one.alike for one in there}
    by_promise: dict[str, list[Signature]] = {}
    for one in wanted:
        by_promise.setdefault(one.promise, []).append(one)
    return tuple(
        Shown(promise, any(one in there for one in ones), any(one.alike in alike for one in ones))
        for promise, ones in sorted(by_promise.items())
    )
