"""Where each component of the control plane comes from, decided once for a run.

The order: a directory the user named (`assets`, KUBEBUILDER_ASSETS), the cache, the official release, a build. A named
directory outranks the cache, because naming it is asking for it; what it does not hold falls through.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import platformdirs

from harness.errors import ToolchainError, UsageError
from harness.toolchain import build, machine
from harness.toolchain.download import Downloader
from harness.toolchain.progress import Progress, Report
from harness.toolchain.release import DEFAULT_KUBERNETES, Component, Unit, asset, components, units
from harness.toolchain.store import Store, digest, probe

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

VERSION = re.compile(r"v?(1\.\d+)(\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)?")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Every component, ready to start. All mappings are keyed by component name ("kube-apiserver", "etcd", …).

    `sources` says where this resolution took it: "path" (a named directory), "cache", "download" or "build".
    `versions` start with "v"; `sha256` is in hexadecimal.
    """

    paths: Mapping[str, Path]
    versions: Mapping[str, str]
    sources: Mapping[str, str]
    sha256: Mapping[str, str]

    def path(self, name: str) -> Path:
        """The binary of one component. Raises ToolchainError for a name that is none."""
        try:
            return self.paths[name]
        except KeyError:
            raise ToolchainError(
                f"no component {name!r} in the toolchain (there are {', '.join(self.paths)})"
            ) from None


@dataclass(frozen=True, slots=True)
class Found:
    """One resolved component."""

    component: Component
    path: Path
    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a component would come from if it were resolved now; nothing is fetched to find out.

    `state` is "path", "cache" or "absent"; `obstacle` says why it cannot be built (empty: it can).
    """

    component: Component
    state: str
    where: str
    obstacle: str = ""


def resolve(
    *,
    kubernetes: str = DEFAULT_KUBERNETES,
    also: Collection[str] = (),
    assets: Path | None = None,
    mirror: str | None = None,
    offline: bool = False,
    no_build: bool = False,
    report: Report | None = None,
    cache: Path | None = None,
) -> Toolchain:
    """Bring every component and say where from.

    Order for each component: `assets` (else KUBEBUILDER_ASSETS) when it holds the binary, in whatever version it is;
    the cache; the official release (or `mirror`, else INVENTORY_HARNESS_MIRROR: a base URL in place of the official
    hosts), checked against its published SHA-256; a build from pinned Go modules. When `assets` holds a kube-apiserver
    and no kube-controller-manager, the latter is brought in the former's version. `kubernetes` is "v1.34.4" or, for
    a minor version with a pinned module, "1.34". `also` names optional components (`release.OPTIONAL`). `offline`
    neither downloads nor lets Go do so; `no_build`: no build.
    `report` is told of progress, at least twice a second while something long goes on. `cache`: else
    INVENTORY_HARNESS_CACHE, else the user's cache directory.

    Call it from a thread that outlives the call (builds die with it). Raises PlatformError (platform, disk), UsageError
    (a value that cannot be), ToolchainError (nothing that was tried worked; one error for all components).
    """
    tell = report or _silent
    store = Store(cache_root(cache), machine.architecture())
    base = mirror_of(mirror)
    found, version = _named(assets, kubernetes_version(kubernetes), also)
    wanted = units(version, also)
    all_of_them = components(version, also)
    for component in all_of_them:
        if component.name not in found and (manifest := store.lookup(component)):
            found[component.name] = Found(component, store.path(component), "cache", manifest.sha256)
    attempt = _Attempt(store, tell, found)
    refusals = attempt.download(wanted, Downloader(store, base, tell), offline=offline)
    if len(found) < len(all_of_them):
        attempt.build(wanted, refusals, offline=offline, no_build=no_build)
    ordered = [found[component.name] for component in all_of_them]
    for one in ordered:
        tell(Progress(one.component.name, "ready", 0.0, f"{one.component.version} ({one.source})"))
    return Toolchain(
        paths=MappingProxyType({one.component.name: one.path for one in ordered}),
        versions=MappingProxyType({one.component.name: one.component.version for one in ordered}),
        sources=MappingProxyType({one.component.name: one.source for one in ordered}),
        sha256=MappingProxyType({one.component.name: one.sha256 for one in ordered}),
    )


def outlook(
    *,
    kubernetes: str = DEFAULT_KUBERNETES,
    also: Collection[str] = (),
    assets: Path | None = None,
    cache: Path | None = None,
) -> tuple[Outlook, ...]:
    """For each component, where it would come from. Raises as `resolve` does for platform and values."""
    store = Store(cache_root(cache), machine.architecture())
    found, version = _named(assets, kubernetes_version(kubernetes), also)
    go = build.find_go()
    rows = []
    for component in components(version, also):
        if component.name in found:
            one = found[component.name]
            rows.append(Outlook(one.component, "path", str(one.path)))
        elif store.lookup(component):
            rows.append(Outlook(component, "cache", str(store.path(component))))
        else:
            host = urlsplit(asset(component, arch=store.arch, mirror=mirror_of(None)).url).netloc
            rows.append(Outlook(component, "absent", host, build.obstacle(component, go)))
    return tuple(rows)


def cache_root(cache: Path | None = None) -> Path:
    """The cache directory in use: the argument, INVENTORY_HARNESS_CACHE, or the user's cache directory."""
    chosen = cache or os.environ.get("INVENTORY_HARNESS_CACHE") or platformdirs.user_cache_dir("inventory-harness")
    return Path(chosen).expanduser().absolute()


def kubernetes_version(text: str) -> str:
    """The full form of "v1.34.4", "1.34.4" or "1.34" (the pinned patch release). Raises UsageError for the rest."""
    found = VERSION.fullmatch(text.strip())
    pins = build.kubernetes_pins()
    known = f"versions that can also be built here: {', '.join(pins)}"
    if found is None:
        raise UsageError(f"not a Kubernetes version: {text!r} (expected for example v1.34.4)", hint=known)
    if found[2] is not None:
        return f"v{found[1]}{found[2]}"
    for pinned in pins:
        if pinned.startswith(f"v{found[1]}."):
            return pinned
    raise UsageError(f"Kubernetes {text!r} names no patch release, and no release of that minor is pinned", hint=known)


@dataclass(slots=True)
class _Attempt:
    """The two ways of bringing what is missing; both note what they had in `found`."""

    store: Store
    tell: Report
    found: dict[str, Found]

    def download(self, every: Sequence[Unit], downloader: Downloader, *, offline: bool) -> dict[str, str]:
        """Try the releases; return why for each component not had."""
        reasons: dict[str, str] = {}
        for unit in every:
            if not self._missing(unit):
                continue
            if offline:
                reasons |= {component.name: "not tried (offline)" for component in self._missing(unit)}
                continue
            with self.store.locked(unit, self.tell):
                if wanted := self._cleared(unit):
                    with self.store.staging(unit) as folder:
                        reasons |= downloader.fetch(wanted, folder)
                    self._take(wanted, "download")
        return reasons

    def build(self, every: Sequence[Unit], refusals: Mapping[str, str], *, offline: bool, no_build: bool) -> None:
        """Build what is still missing, or raise one ToolchainError for everything that cannot be had."""
        missing = [component for unit in every for component in self._missing(unit)]
        go = None if no_build else build.find_go()
        obstacles = {c.name: "not tried (no_build)" if no_build else build.obstacle(c, go) for c in missing}
        if go is None or any(obstacles.values()):
            raise _nothing_worked(missing, refusals, obstacles, self.store)
        failures: dict[str, str] = {}
        for unit in every:
            if not self._missing(unit):
                continue
            with self.store.locked(unit, self.tell):
                if wanted := self._cleared(unit):
                    with self.store.staging(unit) as folder:
                        failures |= build.build(
                            wanted, go, store=self.store, folder=folder, report=self.tell, offline=offline
                        )
                    self._take(wanted, "build")
        if failures:
            raise _nothing_worked([c for c in missing if c.name in failures], refusals, failures, self.store)

    def _missing(self, unit: Unit) -> list[Component]:
        return [component for component in unit.components if component.name not in self.found]

    def _cleared(self, unit: Unit) -> list[Component]:
        """What is missing now that the lock is held; another process may just have brought it."""
        self._take(self._missing(unit), "cache")
        missing = self._missing(unit)
        for component in missing:
            self.store.discard(component)
        return missing

    def _take(self, wanted: list[Component], source: str) -> None:
        for component in wanted:
            if manifest := self.store.lookup(component):
                path = self.store.path(component)
                self.found[component.name] = Found(component, path, source, manifest.sha256)


def _named(assets: Path | None, version: str, also: Collection[str]) -> tuple[dict[str, Found], str]:
    """What the user's own directory holds, and the Kubernetes version that follows from it."""
    given, origin = (assets, "assets") if assets else (os.environ.get("KUBEBUILDER_ASSETS"), "KUBEBUILDER_ASSETS")
    if not given:
        return {}, version
    folder = Path(given).expanduser().absolute()
    if not folder.is_dir():
        raise UsageError(f"{origin}: {folder} is not a directory", hint="name the directory that holds kube-apiserver")
    found: dict[str, Found] = {}
    for component in components(version, also):
        path = folder / component.name
        if path.exists():
            actual = Component(component.name, f"v{probe(component.name, path)}")
            found[component.name] = Found(actual, path, "path", digest(path))
    if not found:
        names = ", ".join(component.name for component in components(version, also))
        raise UsageError(f"{origin}: {folder} holds none of {names}", hint="unset it to use the cache and the releases")
    server = found.get("kube-apiserver")
    return found, server.component.version if server else version


def mirror_of(mirror: str | None) -> str | None:
    """The base URL in place of the official hosts, if there is one; raises UsageError for one that is none."""
    url = mirror or os.environ.get("INVENTORY_HARNESS_MIRROR") or None
    if url is not None and (urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc):
        raise UsageError(f"mirror: not a base URL: {url!r}", hint="give for example https://mirror.example/kubernetes")
    return url


def _nothing_worked(
    missing: list[Component], refusals: Mapping[str, str], builds: Mapping[str, str], store: Store
) -> ToolchainError:
    """One error that names both ways for everything that is missing."""
    lines = []
    for component in missing:
        name = component.name
        lines.append(f"\n  {name} {component.version}:")
        lines.append(f"\n    download: {refusals.get(name, 'not tried')}")
        lines.append(f"\n    build: {builds.get(name) or 'not tried, because another component cannot be built'}")
    names = ", ".join(component.name for component in missing)
    needs = max((pinned.go for c in missing if (pinned := build.pin(c))), default=(1, 24, 0))
    return ToolchainError(
        f"cannot get {names} for {store.platform}{''.join(lines)}",
        hint=(
            "either allow HTTPS to the release hosts (or name a mirror: --mirror, INVENTORY_HARNESS_MIRROR), "
            f"or put Go {'.'.join(map(str, needs))} or newer on PATH and let Go fetch modules; "
            "binaries you already have are taken from --assets DIR or KUBEBUILDER_ASSETS"
            f"; Kubernetes versions that can be built: {', '.join(build.kubernetes_pins())}"
        ),
    )


def _silent(_: Progress) -> None:
    """For callers that want no progress."""
