"""Rules of the API proxy: what is done to which calls, as data that travels over its control socket.

A rule has a match and an action. Some actions are done to a call, at the moment it arrives:

- `status`: it is answered with that status and a metav1.Status, and not passed on; `retry_after_s` above 0 adds the
  header Retry-After;
- `reset`: its connection is reset; `hang`: nothing happens until the rule is cleared, then the call goes on;
- `delay`: it is passed on `delay_s` later;
- `truncate`: of the answer's body `after_bytes` bytes arrive, never all, then the connection is closed;
- `garbage`: it is answered 200 with a body that is no JSON, and not passed on;
- `past`: a list is answered as of `version`, and a watch begins there instead of later, where that is allowed
  (`harness.cluster.aged`). Of a watch, what counts as acting is an event that its client had seen before.

Others are done to watches, also to those that are open when the rule is set:

- `watch-close`: the watch ends in order `after_s` seconds after it began; `watch-error`: it brings an ERROR event with
  a metav1.Status of that `status` and ends; `open_only` leaves watches alone that begin later;
- `watch-gone`: open watches end in order, and whoever takes up one of them, or one of which a rule has lost events, is
  answered 410 once, also when the rule has been cleared: there is no ERROR event, and only a new list helps. A watch
  that names no version is left alone;
- `watch-drop`, `watch-duplicate`: events of these `types` (all but bookmarks, when none is given) are lost, or come
  twice; `watch-bookmarks`: nothing but bookmarks comes; `watch-reorder`: of two neighbours the second comes first,
  unless both are about one object: no client could tell which is the later;
- `watch-delay`: events come `delay_s` later; `watch-freeze`: none comes until the rule is cleared. Order is kept, and
  what was held back comes at once when the rule is cleared.

A rule lets pass what it meets first (`skip`) and what it meets after it has acted `times` times (0: no limit). What it
counts is calls, watches (close, error) or events. `acted` is the evidence that a fault bit.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from harness.cluster import aged
from harness.cluster.apicalls import CREATE, VERBS, WATCH, Call
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS, RESET, HANG, DELAY, TRUNCATE, GARBAGE = "status", "reset", "hang", "delay", "truncate", "garbage"
PAST = "past"
CLOSE, ERROR, GONE = "watch-close", "watch-error", "watch-gone"
DROP, DUPLICATE = "watch-drop", "watch-duplicate"
LATE, FREEZE, BOOKMARKS, REORDER = "watch-delay", "watch-freeze", "watch-bookmarks", "watch-reorder"
OF_CALLS = frozenset({STATUS, RESET, HANG, DELAY, TRUNCATE, GARBAGE, PAST})
OF_WATCHES = frozenset({CLOSE, ERROR, GONE, DROP, DUPLICATE, LATE, FREEZE, BOOKMARKS, REORDER})

NONSENSE = b'{"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1", "items": ['
"""What `garbage` answers: it begins as a list does, and is no JSON."""

_REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
    409: "Conflict", 410: "Expired", 413: "RequestEntityTooLarge", 415: "UnsupportedMediaType", 422: "Invalid",
    429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip
"""metav1.StatusReason by code."""


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls: "" matches any. A watch of a collection brings the objects that `namespace` and `name` pick out."""

    verb: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if self.verb and self.verb not in VERBS:
            raise UsageError(f"verb {self.verb!r} is not known", hint=f"one of {', '.join(VERBS)}; or none for any")

    def of(self, call: Call) -> bool:
        """Whether the call itself is one of these."""
        return self._kind(call) and self.namespace in {"", call.namespace} and self.name in {"", call.name}

    def within(self, call: Call) -> bool:
        """Whether the call is a watch that may bring such objects."""
        return (
            call.verb == WATCH
            and self._kind(call)
            and (not self.namespace or call.namespace in {"", self.namespace})
            and (not self.name or call.name in {"", self.name})
        )

    def picks(self, item: Mapping[str, Any]) -> bool:
        """Whether a watch's object is one of these."""
        meta = item.get("metadata") or {}
        return self.namespace in {"", meta.get("namespace", "")} and self.name in {"", meta.get("name", "")}

    def _kind(self, call: Call) -> bool:
        return (
            self.verb in {"", call.verb}
            and self.resource in {"", call.resource}
            and self.subresource in {"", call.subresource}
        )


@dataclass(frozen=True, slots=True)
class Action:
    """What is done: `do` is one of the words above, the others are its parameters."""

    do: str
    status: int = 0
    retry_after_s: int = 0
    delay_s: float = 0.0
    after_bytes: int = 0
    after_s: float = 0.0
    types: tuple[str, ...] = ()
    open_only: bool = False
    version: str = ""

    def __post_init__(self) -> None:
        if self.do not in OF_CALLS | OF_WATCHES:
            raise UsageError(
                f"action {self.do!r} is not known", hint=f"one of {', '.join(sorted(OF_CALLS | OF_WATCHES))}"
            )
        if self.do in {STATUS, ERROR} and not 400 <= self.status <= 599:
            raise UsageError(f"{self.do}: status={self.status} is out of range", hint="400 to 599")
        if self.do == PAST and not self.version.isdigit():
            raise UsageError(f"{self.do}: version={self.version!r} is no version", hint="that of a list, a number")
        for name in ("retry_after_s", "delay_s", "after_bytes", "after_s"):
            if getattr(self, name) < 0:
                raise UsageError(f"{self.do}: {name}={getattr(self, name)} is below zero")


@dataclass(frozen=True, slots=True)
class ApiRule:
    """One rule; `id` names it until it is cleared."""

    id: str
    match: Match
    action: Action
    skip: int = 0
    times: int = 0

    def as_json(self) -> dict[str, Any]:
        """What goes over the control socket."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ApiRule:
        """The rule of a command; raises UsageError saying what is wrong with it."""
        try:
            action = {**body["action"], "types": tuple(body["action"].get("types", ()))}
            return cls(**{**body, "match": Match(**body["match"]), "action": Action(**action)})
        except (KeyError, TypeError, AttributeError) as exc:
            raise UsageError(f"this is no rule: {str(body)[:200]}", hint=repr(exc)) from exc


@dataclass(slots=True, eq=False)
class Active:
    """A rule in force: how many it has met that are its own, and how often it acted.

    `since`: when it was set; `harmed`: the watches of which it has lost events; `debts`: those that are gone, and whose
    clients have not been told yet, with the rule by which they are: all rules share them.
    """

    rule: ApiRule
    met: int = 0
    acted: int = 0
    since: float = field(default_factory=time.monotonic)
    harmed: set[Call] = field(default_factory=set)
    debts: dict[Call, Active] = field(default_factory=dict)

    @property
    def do(self) -> str:
        """What it does."""
        return self.rule.action.do

    def turn(self) -> bool:
        """Count one more that it meets; whether it acts on it."""
        self.met += 1
        if self.met <= self.rule.skip or (self.rule.times and self.acted >= self.rule.times):
            return False
        self.acted += 1
        return True

    def acts_on(self, call: Call) -> bool:
        """Whether it acts on this call now; one that meets it is counted."""
        if self.do not in OF_CALLS or not self.concerns(call):
            return False
        return self._moves(call) if self.do == PAST else self.turn()

    def _moves(self, call: Call) -> bool:
        if not aged.may_be_from(call, self.rule.action.version):
            return False
        if call.verb != WATCH:
            return self.turn()
        self.met += 1
        return True

    def concerns(self, call: Call) -> bool:
        """Whether it may act on this call, or on the events of this watch."""
        return self.rule.match.within(call) if self.do in OF_WATCHES else self.rule.match.of(call)


@dataclass(slots=True)
class Rules:
    """The rules in force, by id, in the order in which they were set.

    `debts`: what is owed to clients whose watches are gone. It outlives the rule: who comes back late must be told.
    """

    active: dict[str, Active] = field(default_factory=dict)
    debts: dict[Call, Active] = field(default_factory=dict)

    def set(self, rule: ApiRule) -> Active:
        """Put a rule in force, from zero; one of the same id is replaced."""
        self.active.pop(rule.id, None)
        active = Active(rule, debts=self.debts)
        if active.do == GONE:
            lost = {call for other in self.active.values() for call in other.harmed}
            self.debts.update({collection(call): active for call in lost if active.concerns(call)})
        self.active[rule.id] = active
        return active

    def clear(self, rule_id: str) -> None:
        """Take a rule out of force; one that is not there is no error, so that clearing can be repeated."""
        self.active.pop(rule_id, None)

    def holds(self, active: Active) -> bool:
        """Whether the rule is still in force."""
        return self.active.get(active.rule.id) is active

    def on_call(self, call: Call) -> Active | None:
        """What acts on the call now: a debt, or the first rule; each rule that meets it counts it, up to that one."""
        if call.resumes and (told := self.debts.pop(collection(call), None)) is not None:
            return told
        for active in self.active.values():
            if active.acts_on(call):
                return active
        return None

    def on_watch(self, call: Call) -> list[Active]:
        """The rules that may act on this watch or its events."""
        return [active for active in self.active.values() if active.do in OF_WATCHES and active.concerns(call)]

    def counts(self) -> dict[str, dict[str, int]]:
        """Rule -> {"met", "acted"}."""
        return {name: {"met": active.met, "acted": active.acted} for name, active in self.active.items()}


def collection(call: Call) -> Call:
    """The watch, wherever it begins."""
    return replace(call, version="")


def status(code: int, call: Call, *, retry_after_s: int = 0) -> dict[str, Any]:
    """A metav1.Status as the API server would give for this call."""
    reason = _REASONS.get(code, "InternalError" if code >= 500 else "BadRequest")
    if code == 409 and call.verb == CREATE:
        reason = "AlreadyExists"
    details: dict[str, Any] = {"name": call.name, "group": call.group, "kind": call.resource}
    if retry_after_s:
        details["retryAfterSeconds"] = retry_after_s
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": _message(code, call),
        "reason": reason,
        "details": {key: value for key, value in details.items() if value},
        "code": code,
    }


def _message(code: int, call: Call) -> str:
    what = f'{call.resource or "resource"} "{call.name}"'
    match code:
        case 403:
            return f'{call.resource} is forbidden: cannot {call.verb} resource "{call.resource}" (by the harness)'
        case 404:
            return f"{what} not found"
        case 409:
            return f"Operation cannot be fulfilled on {what}: the object has been modified"
        case 410:
            return "too old resource version: 1 (2)"
        case 429:
            return "too many requests, please try again later"
    return f"{_REASONS.get(code, code)}: made by the harness for {call}"


def error_event(code: int, call: Call) -> bytes:
    """The line of a watch that brings an error."""
    return json.dumps({"type": "ERROR", "object": status(code, call)}).encode() + b"\n"


def made_up(action: Action, call: Call) -> tuple[int, bytes, bytes]:
    """The answer that a rule gives in the API server's place: its status, its head and its body."""
    code, retry = HTTPStatus.OK.value, ""
    content = NONSENSE
    if action.do in {STATUS, GONE}:
        code = action.status or HTTPStatus.GONE.value
        content = json.dumps(status(code, call, retry_after_s=action.retry_after_s)).encode()
        retry = f"Retry-After: {action.retry_after_s}\r\n" if action.retry_after_s else ""
    phrase = HTTPStatus(code).phrase if code in set(HTTPStatus) else "Status"
    head = (
        f"HTTP/1.1 {code} {phrase}\r\nContent-Type: application/json\r\n{retry}Content-Length: {len(content)}\r\n\r\n"
    )
    return code, head.encode(), content
