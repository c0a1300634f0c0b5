"""The options by which commands choose what provides their clusters, in one place for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.cli.toolchain import bring
from harness.cluster.backend import (
    ALL,
    EMBEDDED,
    EXTERNAL,
    MODULES,
    PLACES,
    SETTINGS,
    make,
    parse_many,
    possible_here,
)
from harness.errors import UsageError
from harness.run.choose import NO_TOOLCHAIN, optional_parts, placed, uses_toolchain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.cluster.backend import BackendSpec
    from harness.cluster.datastore import DatastoreSpec
    from harness.operator.base import OperatorSpec
    from harness.toolchain import Toolchain

Command = TypeVar("Command", bound="Callable[..., Any]")


def backend_options(command: Command) -> Command:
    """Give a command `--backend` and all that belongs to it, as the keyword arguments `backend` and those of settings.

    `asked` makes of them what was meant.
    """
    made: Any = command
    for setting in reversed(SETTINGS):
        kind: dict[str, Any] = {"metavar": setting.metavar, "default": ""} if setting.metavar else {"is_flag": True}
        text = f"With {' and '.join(setting.of)}: {setting.help}"
        made = click.option(f"--{setting.name}", _argument(setting.name), help=text, **kind)(made)
    made = click.option(
        "--operator-in", type=click.Choice(PLACES), default=None,
        help="Where the operator runs [a pod where the backend can, else a process].",
    )(made)  # fmt: skip
    listed = ", ".join(MODULES)
    chosen: Command = click.option(
        "--backend",
        default="",
        metavar="NAME[,NAME]",
        help=f"What provides the clusters: {listed}, or {ALL} [{EMBEDDED}].",
    )(made)
    return chosen


def asked(options: dict[str, Any], operator: OperatorSpec | None = None) -> tuple[BackendSpec, ...]:
    """Take the arguments of `backend_options` out of a command's; () where none was given: the usual backend.

    The operator is placed on each (`choose.placed`). Raises UsageError for what does not go together, PlatformError
    where one that was named cannot be used on this machine; of `all` those are left that can, and others are told.
    """
    given = {setting.name: options.pop(_argument(setting.name)) for setting in SETTINGS}
    settings = {name: "yes" if value is True else str(value) for name, value in given.items() if value}
    text, place = options.pop("backend"), options.pop("operator_in") or ""
    specs = () if not text and not settings and not place else parse_many(text or EMBEDDED, settings, place)
    if operator is not None:
        specs = placed(specs, operator)
    if text == ALL:
        specs, left = possible_here(specs)
        for name, why in left.items():
            click.echo(f"{name} is left out: {why}", err=True)
        return specs
    for spec in specs:
        for obstacle in make(spec).obstacles():
            raise obstacle
    return specs


def words(specs: Iterable[BackendSpec], text: str = "") -> tuple[str, ...]:
    """The same as options of the suite. `text`: of --backend; of `all` the suite tells as well what is left out."""
    listed = tuple(specs)
    if not listed:
        return ()
    settings = {word: None for spec in listed for word in spec.options() if not word.startswith("--backend=")}
    return (f"--backend={ALL if text == ALL else ','.join(spec.name for spec in listed)}", *settings)


def at_once(specs: Iterable[BackendSpec], wanted: int | None) -> int | None:
    """How many runs at a time; None: as many as usual. On somebody's cluster there is one, or the lease would be ours.

    Raises UsageError where more are asked for.
    """
    if EXTERNAL not in {spec.name for spec in specs}:
        return wanted
    if wanted not in {None, 1}:
        raise UsageError(f"-n {wanted}: on somebody's cluster one run is made at a time", hint="drop -n")
    return 1


def bring_for(specs: Sequence[BackendSpec], kubernetes: str, stores: Iterable[DatastoreSpec]) -> Toolchain:
    """The binaries that a campaign on these backends and datastores needs, brought with progress."""
    if specs and not uses_toolchain(specs):
        return NO_TOOLCHAIN
    return bring(kubernetes, also=optional_parts(stores, specs))


def _argument(name: str) -> str:
    return name.replace("-", "_")
