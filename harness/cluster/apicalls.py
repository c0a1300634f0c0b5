"""What a request to the Kubernetes API is about, read from its method and target alone.

The rules are those by which the API server itself tells requests apart (its RequestInfo): they decide what RBAC, audit
and priority and fairness see. One word differs: what is connected through to a pod, service or node is `connect` here,
as in admission, whatever its HTTP method.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

GET, LIST, WATCH, CREATE, UPDATE, PATCH = "get", "list", "watch", "create", "update", "patch"
DELETE, DELETECOLLECTION, CONNECT = "delete", "deletecollection", "connect"
VERBS = (GET, LIST, WATCH, CREATE, UPDATE, PATCH, DELETE, DELETECOLLECTION, CONNECT)

_BY_METHOD = {
    "GET": GET, "HEAD": GET, "POST": CREATE, "PUT": UPDATE, "PATCH": PATCH, "DELETE": DELETE,
}  # fmt: skip
_CONNECTED = frozenset({"exec", "attach", "portforward", "proxy"})
_OF_NAMESPACES = frozenset({"status", "finalize"})
"""The subresources of a Namespace: everything else below one is an object in it."""

_NAME_FIELD = "metadata.name="
_SELECTORS = ("fieldSelector", "labelSelector")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `group` is "" for the core group; `namespace`, `name` and `subresource` are "" where there is none.

    A request for no resource (/version, /readyz, discovery) has `resource` "" and its HTTP method's verb. Of a list or
    a watch: `selector` is what it picks out of the collection, as it was asked; `version` the resourceVersion that a
    watch takes up, or that a list must not be older than ("0": any will do), "" where it names none.
    """

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    selector: str = ""
    version: str = ""

    @property
    def resumes(self) -> bool:
        """Whether it is a watch that goes on from what its client knows."""
        return self.verb == WATCH and self.version not in {"", "0"}

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    @property
    def what(self) -> str:
        """The verb, and what it is done to, whichever one: "patch nodes", "connect pods/proxy"."""
        return f"{self.verb} {'/'.join(part for part in (self.resource, self.subresource) if part) or 'no resource'}"

    def __str__(self) -> str:
        whose = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{self.what} {whose}".rstrip()


def describe(method: str, target: str) -> Call:
    """The call that a request line makes; pure, and never raises: what is not understood has no resource."""
    try:
        url = urlsplit(target if target.startswith("/") else f"/{target}")
        query = parse_qs(url.query, keep_blank_values=True)
    except ValueError:
        return Call(_BY_METHOD.get(method, method.lower()))
    verb = _BY_METHOD.get(method, method.lower())
    group, parts = _resource_path([unquote(part) for part in url.path.split("/") if part])
    if not parts:
        return Call(verb)
    if parts[0] == WATCH and len(parts) > 1:  # the form of before 1.11, which is still served
        verb, parts = WATCH, parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _OF_NAMESPACES:
            parts = parts[2:]
    resource, name, subresource = (*parts[:3], "", "")[:3]
    selector = version = ""
    if not name and verb in {GET, WATCH, DELETE}:
        verb = _of_a_collection(verb, query)
        name, selector, version = _named(query), _selector(query), _version(verb, query)
    if subresource in _CONNECTED:
        verb = CONNECT
    return Call(verb, group, resource, subresource, namespace, name, selector, version)


def _resource_path(parts: list[str]) -> tuple[str, list[str]]:
    """The API group, and what follows the version; nothing where the path is none of a resource."""
    match parts:
        case ["api", _, *rest]:
            return "", rest
        case ["apis", group, _, *rest]:
            return group, rest
    return "", []


def _of_a_collection(verb: str, query: dict[str, list[str]]) -> str:
    if verb == DELETE:
        return DELETECOLLECTION
    # As the API server reads booleans: whatever is there and is not "false" or "0".
    given = query.get(WATCH)
    return WATCH if verb == WATCH or (given and given[0].lower() not in {"false", "0"}) else LIST


def _selector(query: dict[str, list[str]]) -> str:
    return "&".join(f"{name}={value}" for name in _SELECTORS for value in query.get(name, ()))


def _version(verb: str, query: dict[str, list[str]]) -> str:
    # A list that wants one very version, or goes on with another, has no say in how old it may be; a watch that begins
    # with what there is takes nothing up.
    others = "continue" in query or "sendInitialEvents" in query or query.get("resourceVersionMatch") == ["Exact"]
    if others or verb not in {LIST, WATCH}:
        return ""
    return query.get("resourceVersion", [""])[0]


def _named(query: dict[str, list[str]]) -> str:
    """The one object that a field selector picks out of a collection."""
    for selector in query.get("fieldSelector", ()):
        for part in selector.split(","):
            if part.startswith(_NAME_FIELD):
                return part.removeprefix(_NAME_FIELD).removeprefix("=")
    return ""
