"""`harness image`: make the image of an operator, and say where it is."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from harness.operator.base import REFERENCE
from harness.operator.image import image_of
from harness.run.choose import choose


@click.command("image")
@click.option(
    "--operator", default=REFERENCE, show_default=True, metavar="WHAT", help="'reference', a binary, or image:ARCHIVE."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; progress goes to stderr.")
def image(*, operator: str, as_json: bool) -> None:
    """Make the container image of an operator, without a registry and without a container engine.

    It is kept by content, and made again only when something in it changed. The archive can be given to `docker load`,
    `kind load image-archive` or `ctr images import`.
    """
    made = image_of(choose(operator, None), lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps({**asdict(made), "archive": str(made.archive or "")}))
        return
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{made.name} {made.archive or '(the nodes pull it)'}")
