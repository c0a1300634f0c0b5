"""`harness bundle`: a run's evidence as one file, and what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.bundle.archive import SUFFIX, pack
from harness.bundle.manifest import evidence
from harness.bundle.opened import Bundle, found, opened
from harness.errors import UsageError
from harness.visible import line, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@click.group("bundle")
def bundle() -> None:
    """Pack the evidence of runs into one file each, and look into it."""


@bundle.command("pack")
@click.argument("paths", nargs=-1, required=True, metavar="DIR…", type=click.Path(path_type=Path))
@click.option(
    "--to", "target", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Where, for a single bundle."
)
def pack_command(*, paths: tuple[Path, ...], target: Path | None) -> None:
    """Write a bundle, or each one below a campaign's directory, as one .tar.zst file, without credentials."""
    for path in pack_all(paths, target=target):
        click.echo(f"packed {visible(str(path))}")


def pack_all(paths: Sequence[Path], *, target: Path | None = None) -> Iterator[Path]:
    """Pack each bundle beside its directory, or a single one to `target`; the archives, one after the other.

    Raises UsageError when several bundles are to go into one file; whatever else as `pack`.
    """
    bundles = [path for path in found(paths) if path.is_dir()]
    if not bundles:
        raise UsageError(f"{paths[0]} is an archive already", hint="give the directory of a run or of a campaign")
    if target is not None and len(bundles) > 1:
        raise UsageError(f"{len(bundles)} bundles do not go into one file", hint="leave --to out, or name one bundle")
    for one in bundles:
        yield pack(one, target or one.with_name(f"{one.resolve().name}{SUFFIX}"))


@bundle.command("show")
@click.argument("path", metavar="BUNDLE", type=click.Path(path_type=Path))
def show(*, path: Path) -> None:
    """Say what a bundle is of, what it holds, and what is missing in it."""
    with opened(path) as one:
        for text in described(one):
            click.echo(visible(text))


def described(one: Bundle) -> Iterator[str]:
    """What a bundle is, line by line."""
    header, operator = one.history.header, one.operator
    yield f"scenario   {one.name}"
    yield f"seed       {header.get('seed')}"
    yield f"operator   {' '.join(operator.get(key, '') for key in ('name', 'sha256')).strip() or 'unknown'}"
    yield f"started    {header.get('started', 'unknown')}"
    yield f"verdict    {(one.verdicts or {}).get('verdict', 'none: it was not judged')}"
    yield f"versions   {', '.join(f'{name} {version}' for name, version in one.versions.items())}"
    for name, facts in sorted(_toolchain(one).items()):
        yield f"binary     {name} sha256 {facts.get('sha256')} ({facts.get('source')})"
    yield f"records    {len(one.history.records)} in the history"
    for name in evidence(one.directory):
        yield f"file       {(one.directory / name).stat().st_size:>10}  {name}"
    for note in (*([f"the harness could not run it: {one.error}"] if one.error else []), *one.notes):
        yield f"note       {line(note)}"


def _toolchain(one: Bundle) -> dict[str, dict[str, Any]]:
    said = one.manifest.get("toolchain")
    return {name: facts for name, facts in said.items() if isinstance(facts, dict)} if isinstance(said, dict) else {}
