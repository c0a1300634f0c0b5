"""Requests moved into the past: a list answered as it was, a watch begun earlier. Pure.

What the API allows is the measure. A list that names version "0" takes anything that was ever true, and one that names
another version anything that is not older (Kubernetes API concepts, "the resourceVersion parameter"); one that names
none wants the latest, and is left alone. Such an answer is of one moment and says of which, so that a watch from there
on brings whatever followed.

Versions are compared as numbers: ours are those of one datastore.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from harness.cluster.apicalls import LIST, Call

if TYPE_CHECKING:
    from harness.cluster.http1 import Head


def may_be_from(call: Call, version: str) -> bool:
    """Whether the call can be moved back to a version: a list that allows it, a watch that begins later."""
    if not call.version.isdigit():
        return False
    if call.verb == LIST:
        return int(call.version) <= int(version)
    return call.resumes and int(call.version) > int(version)


def moved(head: Head, call: Call, version: str) -> Head:
    """The request, moved back to that version."""
    path, _, query = head.first[1].partition("?")
    changes = {"resourceVersion": version} | ({"resourceVersionMatch": "Exact"} if call.verb == LIST else {})
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in changes]
    target = f"{path}?{urlencode([*kept, *changes.items()])}"
    first = (head.first[0], target, head.first[2])
    rest = head.raw[head.raw.index(b"\r\n") :]
    return replace(head, first=first, raw=" ".join(first).encode("latin-1") + rest)
