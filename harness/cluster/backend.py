"""What provides clusters: embedded, kind, K3s, or one that is there already; loaded when it is asked for.

A backend is told apart from others by its capabilities alone (`harness.cluster.capability`). Its module has a function
`backend(spec)`. What a user can say of it beside its name are its settings, each an option of the commands.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from harness.cluster import capability
from harness.errors import PlatformError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from harness.cluster.base import Cluster
    from harness.cluster.shape import Shape
    from harness.toolchain import Toolchain

EMBEDDED, KIND, K3S, EXTERNAL, ALL = "embedded", "kind", "k3s", "external", "all"

MODULES: Mapping[str, str] = {
    EMBEDDED: "harness.cluster.embeddedbackend",
    KIND: "harness.cluster.kind",
    K3S: "harness.cluster.k3s",
    EXTERNAL: "harness.cluster.external",
}
"""Where each backend is, by name; the usual one first."""

BY_ITSELF = (EMBEDDED, KIND, K3S)
"""Those that make their clusters themselves: what `all` stands for."""

PROCESS, POD, ELSEWHERE = "process", "pod", "elsewhere"
PLACES = (PROCESS, POD)
"""Where an operator of ours can run: as a process of this machine, or as a pod of the cluster.

`ELSEWHERE` is where one is that runs already (`--operator at:…`); nobody asks for it by name.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that a user can say of backends: an option `--NAME METAVAR`, or a flag where there is no metavar."""

    name: str
    metavar: str
    of: tuple[str, ...]
    help: str


SETTINGS: tuple[Setting, ...] = (
    Setting("node-image", "IMAGE", (KIND,), "The image of its nodes [the one of the Kubernetes version]."),
    Setting("kind-servers", "N", (KIND,), "At least so many control-plane nodes: 1 or 3 [as the scenario asks]."),
    Setting("kind-workers", "N", (KIND,), "At least so many workers beside them [as the scenario asks]."),
    Setting("k3s", "PATH", (K3S,), "The K3s binary [from PATH, or downloaded]."),
    Setting("k3s-image", "IMAGE", (K3S,), "Run it in containers of this image instead; `pinned`: of ours."),
    Setting("k3s-cni", "FILE", (K3S,), "The manifest of a CNI that it has in the place of flannel."),
    Setting("kubeconfig", "FILE", (EXTERNAL,), "How the cluster is reached."),
    Setting("context", "NAME", (EXTERNAL,), "Which context of the kubeconfig is meant; there is no usual one."),
    Setting(
        "allow-destructive",
        "LIST",
        (EXTERNAL,),
        "What may be harmed, separated by commas: operator, rights, node/NAME, rejoin/NAME, … (docs/backends.md).",
    ),
    Setting("pause-image", "IMAGE", (EXTERNAL,), "What pods of ours run; on every node [registry.k8s.io/pause:3.10]."),
    Setting("discovery-image", "IMAGE", (EXTERNAL,), "What discovery pods run [with a pod: the operator's image]."),
    Setting("reached-at", "ADDRESS", (EXTERNAL,), "This machine's address for pods of the cluster [found by routes]."),
    Setting("dry-run", "", (EXTERNAL,), "Print every change that would be made to the cluster, and make none."),
)
"""Every setting of every backend."""


@dataclass(frozen=True, slots=True)
class BackendSpec:
    """A backend as it was asked for: its name, the settings given, and where the operator is to run ("": its usual)."""

    name: str = EMBEDDED
    settings: Mapping[str, str] = field(default_factory=dict)
    operator_in: str = ""

    def options(self) -> list[str]:
        """The command-line options that ask for it."""
        if self == USUAL:
            return []
        given = [f"--{name}={value}" if _metavar(name) else f"--{name}" for name, value in self.settings.items()]
        place = [f"--operator-in={self.operator_in}"] if self.operator_in in PLACES else []
        return [f"--backend={self.name}", *given, *place]


USUAL = BackendSpec()


class Backend(Protocol):
    """Something that provides clusters.

    `datastores`: the kinds on which its clusters can be, the usual one first. `most_nodes`: how many real nodes its
    clusters can have at most; None: as many as a scenario asks for.
    """

    @property
    def name(self) -> str:
        """One of `MODULES`."""
        ...

    @property
    def datastores(self) -> tuple[str, ...]:
        """Kinds of datastore."""
        ...

    @property
    def most_nodes(self) -> int | None:
        """The most real nodes."""
        ...

    @property
    def control_plane(self) -> bool:
        """Whether it starts the control plane from the toolchain's binaries."""
        ...

    @property
    def components(self) -> tuple[str, ...]:
        """Optional parts of the toolchain that it needs."""
        ...

    def capabilities(self) -> frozenset[str]:
        """Words of `capability.MEANING`; both words for where an operator runs, where it can be either."""
        ...

    def obstacles(self) -> tuple[PlatformError, ...]:
        """What keeps it from being used on this machine, each with the way out; empty when nothing does."""
        ...

    async def start(self, toolchain: Toolchain, shape: Shape, *, parent: Path | None = None) -> Cluster:
        """A cluster of that shape, ready; leaves nothing behind when that fails. `parent`: of its run directory."""
        ...


def make(spec: BackendSpec) -> Backend:
    """The backend that was asked for; raises UsageError for settings that are not acceptable.

    Cheap: whether it can be used here is what `obstacles` tells.
    """
    module = MODULES[spec.name]
    if importlib.util.find_spec(module) is None:
        raise PlatformError(f"this harness has no backend {spec.name}", hint=f"there is {', '.join(available())}")
    made: Backend = import_module(module).backend(spec)
    return made


def available() -> tuple[str, ...]:
    """The names of the backends that this harness has."""
    return tuple(name for name, module in MODULES.items() if importlib.util.find_spec(module) is not None)


def parse_many(text: str, given: Mapping[str, str] | None = None, operator_in: str = "") -> tuple[BackendSpec, ...]:
    """The backends of `--backend NAME[,NAME]` or `all`, with the settings that were given for any of them.

    Raises UsageError for an unknown name, and for a setting that belongs to none of them.
    """
    settings = given or {}
    names = tuple(name for name in BY_ITSELF if name in available()) if text == ALL else tuple(text.split(","))
    names = tuple(dict.fromkeys(name.strip() for name in names))
    if unknown := [name for name in names if name not in MODULES]:
        raise UsageError(
            f"--backend {unknown[0]!r} is not known", hint=f"one or more of {', '.join(MODULES)}, or {ALL}"
        )
    for setting in SETTINGS:
        if setting.name in settings and not set(setting.of) & set(names):
            raise UsageError(
                f"--{setting.name} goes with --backend {' or '.join(setting.of)} only", hint=f"drop --{setting.name}"
            )
    if operator_in not in {"", ELSEWHERE, *PLACES}:
        raise UsageError(f"--operator-in {operator_in!r} is not known", hint=f"one of {', '.join(PLACES)}")
    of = {name: {s.name: settings[s.name] for s in SETTINGS if name in s.of and s.name in settings} for name in names}
    return tuple(BackendSpec(name, of[name], operator_in) for name in names)


def possible_here(specs: Iterable[BackendSpec]) -> tuple[tuple[BackendSpec, ...], dict[str, str]]:
    """Those of the backends that can be used on this machine; and of each other one, by name, why it cannot."""
    kept, left = [], {}
    for spec in specs:
        obstacles = make(spec).obstacles()
        if obstacles:
            left[spec.name] = f"it cannot be used on this machine: {obstacles[0].what}"
        else:
            kept.append(spec)
    return tuple(kept), left


_OF_PLACE = {
    POD: capability.OPERATOR_POD,
    PROCESS: capability.OPERATOR_PROCESS,
    ELSEWHERE: capability.RUNNING_OPERATOR,
}
_LOST: Mapping[str, frozenset[str]] = {
    PROCESS: frozenset(),
    # The file of a pod is a ConfigMap's, which nobody here changes.
    POD: frozenset({capability.CONFIG_FILE}),
    ELSEWHERE: frozenset({capability.OPERATOR, capability.RIGHTS, capability.CONFIG_FILE, capability.REGISTRY}),
}
"""What cannot be done with an operator in that place, beside all that needs it in another."""


def operator_place(backend: Backend, asked: str) -> str:
    """Where the operator runs: as asked, or else in a pod of a cluster of ours; raises UsageError where it cannot.

    What the nodes of somebody's cluster have and reach is for a user to say, so it is a process there unless asked.
    """
    there = backend.capabilities()
    possible = [place for place, word in _OF_PLACE.items() if word in there]
    usual = POD if POD in possible and capability.KUBELET in there else PROCESS
    if asked == ELSEWHERE and asked not in possible:
        raise UsageError(f"--operator at:…: on {backend.name} no operator runs already", hint=f"--backend {EXTERNAL}")
    if asked and asked not in possible:
        raise UsageError(
            f"--operator-in {asked}: on {backend.name} the operator cannot run so", hint=f"{' or '.join(possible)}"
        )
    return asked or usual


def place_of_image(spec: BackendSpec) -> str:
    """Where an operator runs on that backend that is an image; "" where it cannot."""
    possible = capability.OPERATOR_POD in make(replace(spec, operator_in=POD)).capabilities()
    return POD if possible else ""


def effective(backend: Backend, operator_in: str) -> frozenset[str]:
    """The backend's capabilities with the operator in that place (`operator_place`)."""
    others = frozenset(word for place, word in _OF_PLACE.items() if place != operator_in)
    return backend.capabilities() - others - _LOST[operator_in]


def usual_datastore(backend: Backend, possible: Iterable[str]) -> str:
    """The first of the possible kinds of datastore that the backend has; "" when it has none of them."""
    return next((kind for kind in possible if kind in backend.datastores), "")


def _metavar(name: str) -> str:
    return next(setting.metavar for setting in SETTINGS if setting.name == name)
