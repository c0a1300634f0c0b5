"""The command line, the exit codes and the table of defects."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.reference.behaviour import CORRECT
from harness.reference.command import main
from harness.reference.defects import DEFECTS, behaviour
from harness.reference.options import parse, seconds

_COMMAND = ["operator", "inventory"]


def test_defaults_are_the_contracts() -> None:
    """Without flags and environment the options are those of the contract's table."""
    options = parse(_COMMAND, {})
    assert (options.rest_port, options.grpc_port, options.rest_address) == (None, None, "0.0.0.0")
    assert (options.api_timeout_s, options.query_timeout_s, options.registry_query_period_s) == (3, 2, 300)
    assert (options.config, options.pod_namespace, options.defect) == ("", "akash-services", "")


def test_a_flag_wins_over_the_environment() -> None:
    """Every option but the ports can come from AP_ variables, and a flag wins over them."""
    environment = {"AP_POD_NAMESPACE": "env", "AP_API_TIMEOUT": "7s", "AP_DEFECT": "rounds-cpu", "AP_REST_PORT": "1"}
    options = parse([*_COMMAND, "--pod-namespace=flag"], environment)
    assert (options.pod_namespace, options.api_timeout_s, options.defect) == ("flag", 7, "rounds-cpu")
    assert options.rest_port is None


@pytest.mark.parametrize(("text", "value"), [("3s", 3), ("5m", 300), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400)])
def test_durations_are_gos(text: str, value: float) -> None:
    """Durations are written as Go writes them."""
    assert seconds(text) == value


@pytest.mark.parametrize(
    "arguments",
    [["--api-timeout=3"], ["--api-timeout=0s"], ["--rest-port=0"], ["--grpc-port=70000"], ["--no-such-flag"]],
)
def test_what_is_not_acceptable_is_refused(arguments: list[str]) -> None:
    """A value that is not acceptable raises the one kind of error that becomes exit code 1."""
    with pytest.raises(UsageError):
        parse([*_COMMAND, *arguments], {})


def test_an_unknown_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Another command than `operator inventory` ends with code 1 and a sentence that names it."""
    assert main(["operator", "hostname"]) == 1
    assert "unknown command 'operator hostname'" in capsys.readouterr().err


def test_the_defects_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """`--defect list` prints every defect with the promises it breaks."""
    assert main([*_COMMAND, "--defect", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[d.name, ",".join(d.breaks)] for d in DEFECTS.values()]


NEEDS_TWO = {
    "empty-while-reconnecting": ["resync", "inventory_while_reconnecting"],
    "dies-on-missed-deletion": ["resync", "on_missed_deletion"],
    "dies-on-error-event": ["resumes_watches", "on_error_event"],
    "keeps-discovery-pods": ["sweeps_pods", "when_node_is_gone"],
    "stays-empty-after-outage": ["resync", "inventory_while_away"],
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_changes_exactly_one_seam(name: str) -> None:
    """Every saboteur differs from the correct operator at one seam (some need a second to show) and names a promise."""
    changed = [
        field for field in CORRECT.__slots__ if getattr(DEFECTS[name].behaviour, field) is not getattr(CORRECT, field)
    ]
    assert changed == NEEDS_TWO.get(name, changed[:1])
    assert changed
    assert DEFECTS[name].breaks


def test_an_unknown_defect_is_refused() -> None:
    """A defect that is not in the table is an error, never a correct operator."""
    with pytest.raises(UsageError, match="no-such"):
        behaviour("no-such")
    assert behaviour("") is CORRECT
