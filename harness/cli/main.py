"""The `harness` command."""

from __future__ import annotations

import sys

import click

from harness.cli.bench import bench
from harness.cli.bundle import bundle
from harness.cli.capture import capture
from harness.cli.cluster import cluster
from harness.cli.conformance import conformance
from harness.cli.doctor import doctor
from harness.cli.faults import faults
from harness.cli.gate import gate_command
from harness.cli.image import image
from harness.cli.rejudge import rejudge_command
from harness.cli.replay import replay
from harness.cli.run import run
from harness.cli.scoreboard import scoreboard_command
from harness.cli.shrink import shrink
from harness.cli.sweep import sweep
from harness.cli.toolchain import toolchain
from harness.cli.track_record import track_record
from harness.cli.undo import undo_command
from harness.errors import HarnessError
from harness.visible import visible

CANNOT_RUN = 3
"""Exit code when the harness itself could not do what was asked; 0 to 2 are verdicts (all PASS, a FAIL, an UNKNOWN)."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="inventory-harness", prog_name="harness")
def cli() -> None:
    """Chaos and conformance harness for Kubernetes inventory operators."""


for command in (
    run, conformance, rejudge_command, replay, shrink, gate_command, capture, bundle, scoreboard_command, faults,
    cluster, bench, track_record, image, toolchain, doctor, sweep, undo_command,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Run the command line; every expected failure is one clear message and exit code 3."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as exc:
        exc.show()
        sys.exit(CANNOT_RUN)
    except HarnessError as exc:
        click.echo(f"harness: {visible(str(exc))}", err=True)  # it may hold names of a cluster, or an operator's words
        sys.exit(CANNOT_RUN)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
