"""A long history is judged quickly."""

from __future__ import annotations

import json
import random
import time

from harness.check.contract import judge_history
from harness.check.verdict import PASS
from tests.unit.check.story import Story, reported_node

NODES = 100
LENGTH_S = 300
EVERY_S = 0.1
LIMIT_S = 5.0

PROMISES = (
    "SHAPE-1",
    "SHAPE-2",
    "TRUTH-1",
    "TRUTH-2",
    "TRUTH-3",
    "TRUTH-4",
    "TRUTH-5",
    "LABEL-1",
    "AVAIL-1",
    "AVAIL-2",
)


def long_run() -> Story:
    """Five minutes of a hundred nodes; every half second another sum; two sources at 10 Hz in different notations."""
    choice = random.Random(7)  # noqa: S311 - repeatable, not secret
    story = Story(*PROMISES)
    names = [f"node-{number:03}" for number in range(NODES)]
    for name in names:
        story.node(name, 0.1)
    story.started()
    story.fault(100.0, 110.0, "api")
    sums = dict.fromkeys(names, 0)
    parts = {name: (reported_node(name), reported_node(name)) for name in names}
    stored: set[str] = set()
    for step in range(60, int(LENGTH_S / EVERY_S)):
        t = round(step * EVERY_S, 3)
        if step % 5 == 0 and not 95 < t < 130:
            name = choice.choice(names)
            sums[name] += 100
            container = {"name": "main", "resources": {"requests": {"cpu": "100m"}}}
            body = {"metadata": {}, "spec": {"nodeName": name, "containers": [container]}, "status": {}}
            who = {"namespace": "d", "name": f"p{step}", "uid": f"u{step}", "rv": str(step)}
            story.add("object", t - 0.05, event="ADDED", resource="pods", object=body, **who)
            parts[name] = (reported_node(name, milli=sums[name]), reported_node(name, milli=sums[name]))
            parts[name][1]["resources"]["cpu"]["quantity"]["allocated"] = f"{sums[name] * 1000}u"
        for index, source in enumerate(("rest", "query")):
            key = f"{source}-{hash(tuple(sums.values()))}"
            if key not in stored:
                stored.add(key)
                story.add("snapshot", t, id=key, body={"nodes": [parts[name][index] for name in names], "storage": []})
            story.add("report", t, source=source, t0=t - 0.01, outcome="ok", status=200, snapshot=key)
            if source == "query" and step % 5 == 0:
                story.add("report", t, source="stream", t0=t, outcome="ok", status=0, snapshot=key)
    story.end(float(LENGTH_S))
    return story


def test_five_minutes_of_a_hundred_nodes_take_less_than_five_seconds() -> None:
    """5,800 answers of a hundred nodes with more than a thousand distinct contents are judged in under five seconds."""
    story = long_run()
    # As read from a file: no two snapshots share an object.
    story.records = [json.loads(json.dumps(record)) for record in story.records]
    history = story.history()
    begin = time.process_time()
    judgement = judge_history(history)
    took = time.process_time() - begin
    assert {verdict.promise: verdict.verdict for verdict in judgement.promises} == dict.fromkeys(PROMISES, PASS)
    assert len(history.snapshots) > 1000
    assert took < LIMIT_S
