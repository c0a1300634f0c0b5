"""What a history is made of.

A record is one JSON object on one line. Common fields: `n` (sequence number from 0), `t` (seconds since the run
began), `k` (kind). The last field is `c`, the CRC-32 of everything before it, eight hex digits. Kinds and their fields:

========== =====================================================================================================
kind       fields
========== =====================================================================================================
run        `scenario` (data), `seed`, `operator`, `versions`, `started` (wall clock, ISO 8601): always the first record;
           `sources`, where not all sources of reports were asked (`harness.capture`): those that were
snapshot   `id` (first 16 hex digits of the SHA-256 of the canonical JSON), `body` (any JSON): content, stored once
object     ground truth from the API server: `event` ADDED | MODIFIED | DELETED, `resource` (nodes | pods and, where the
           scenario has storage, storageclasses | persistentvolumes | cephclusters), `namespace`, `name`, `uid`, `rv`,
           `object` (the parts a model needs: metadata, spec, status). `event` is SYNC for each object of a first or
           repeated LIST
synced     a LIST was complete: `resource`, `rv`, `objects` ([[namespace, name, uid], …]); what is not in it is gone
gap        the ground truth could not be watched: `phase` begin | end, `resource` (as of an object, or harness, when the
           harness itself stood still, or what of the way to an operator in a pod was shut: `harness.model.timeline`),
           `why`; `since` on a begin that was known only later than it was
hardware   `node`, `hardware` (what discovery answers from `t` on; null when the node has none)
registry   `body`: what the GPU registry answers from `t` on
pools      `namespace`, `body`: what `ceph df` prints in the tools pod of the Ceph cluster there from `t` on; null: it
           prints nothing
config     `body`: what the operator's configuration file says from `t` on: the document, null when it is empty, or
           {"raw": text} when it is no YAML; {"raw": null}: there is no file
log        what the operator has written to its log since the record before: `lines` (how many), `said` (the first few
           that may be about the configuration; see `harness.run.said`); only where it has a configuration file
report     an answer of the operator: `source` rest | query | stream, `t0` (request sent; for a stream message: `t`),
           `outcome` ok | error | timeout | refused, `status` (HTTP or gRPC code, or null), `snapshot` (id, when ok),
           `error` (text, when not ok). A body that is not JSON is stored as {"raw": text}
stream     a call of StreamCluster: `client` (0: the one whose messages are reports; the others of `Scenario.streams`),
           `call` (number), `event` called | told | ended; `snapshot` (on told, where the client is not 0), `by` us |
           operator and `status` (on ended)
health     `path`, `t0`, `outcome`, `status`
process    the operator's process: `event` started | terminating | exited | restarting, `pid`, `code` (exit code,
           negative: signal), `cause` harness (we did it) | self | liveness (a probe failed) | supervisor, `detail`
           (last words, or why it is ended), `backoff_s` (on `restarting`: how long the supervisor waited)
probe      a liveness probe: `t0` (begun), `passed` (bool), `why` (what failed, or "")
fault      `fault` (kind), `id` (one per injection), `phase` inject | injected | heal | healed | failed, `target`,
`affects`
           (see `harness.fault.base.Affects`), `bit` (bool, on `injected`), `evidence` (text)
trigger    what a schedule waits for: `id` (one per wait), `trigger` (kind), `phase` armed | fired | expired, `awaited`,
           `seen` (what fired it, or what was seen last) (text)
radius     a look around after an injection and after its heal: `id`, `fault`, `phase` injected | healed, `examined`
           (how many nodes and processes), `strays` (what was touched that should not have been, a sentence each)
api-call   what the operator asked of the API server, where it goes through the API proxy, written when it was over:
           `verb`, `group`, `resource`, `subresource`, `namespace`, `name`, `selector` and `version` (of lists and
           watches), `t0` (request arrived), `status` (0: no answer), `latency_s`, `rule` (the proxy's rule that acted
           on it, or ""); of a watch also `events` (sent), `ended` server | client | rule | "" (still open at the end),
           `error` (the code of the API server's ERROR event, or 0), and `latency_s` is that of its head
usage      what the operator's process uses: `pid`, `cpu_s` (processor time so far), `waited_s` (for the processor, so
           far; null: the kernel does not tell), `rss_kib`, `threads`, `fds`
goroutines its own profile, where it has one and a leak is looked for: `pid`, `total`, `began_in` ({function: how
           many})
op         traffic: `op`, `id`, `phase` invoke | ok | fail | info (info: indeterminate), `object`, `detail`
mark       `mark`: cluster (`detail`: which datastore) | gate |
            gate-passed | gate-failed | traffic-begin | traffic-end | final-heal | converged |
not-converged |
           end, `detail`; gate-passed may carry `excepted`: what was let pass untrue ([{field, node, nodes, expected,
           reported, after_s}, …]; see `harness.run.steady`)
========== =====================================================================================================
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from harness.errors import HistoryError

KINDS = frozenset(
    {
        "run", "snapshot", "object", "synced", "gap", "hardware", "registry", "config", "report", "health", "process",
        "fault", "trigger", "radius", "op", "mark", "api-call", "log", "probe", "usage",
        "goroutines", "pools", "stream",
    }
)  # fmt: skip

Record = Mapping[str, Any]


def canonical(body: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII (an operator's answer may hold lone surrogates)."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def snapshot_id(body: Any) -> str:
    """The content address of a snapshot."""
    return hashlib.sha256(canonical(body).encode()).hexdigest()[:16]


def encode(record: Record) -> str:
    """One line, with its checksum, without the line break. `record` must not hold `c`."""
    text = json.dumps(record, separators=(",", ":"))
    return f'{text[:-1]},"c":"{zlib.crc32(text.encode()):08x}"}}'


def decode(line: str) -> dict[str, Any]:
    """The record of one line; raises HistoryError when it is torn, altered or of an unknown kind."""
    head, mark, tail = line.rstrip("\n").rpartition(',"c":"')
    if not mark or len(tail) != 10 or not tail.endswith('"}'):
        raise HistoryError(f"line without a checksum: {line[:80]!r}")
    text = head + "}"
    if f"{zlib.crc32(text.encode()):08x}" != tail[:8]:
        raise HistoryError(f"checksum does not match: {line[:80]!r}")
    record: dict[str, Any] = json.loads(text)
    if record.get("k") not in KINDS:
        raise HistoryError(f"unknown kind {record.get('k')!r}", hint="the history was written by a newer harness")
    return record
