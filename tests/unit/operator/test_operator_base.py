from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.operator.base import OperatorConfig, environment, parse
from harness.run.choose import NO_TOOLCHAIN
from harness.run.preflight import preflight


def test_the_reference_operator_is_ours() -> None:
    """It is run by this interpreter, and needs no file."""
    spec = parse("reference")

    assert spec.command == (sys.executable, "-m", "harness.reference")
    assert spec.describe() == {"name": "reference"}


def test_a_saboteur_is_named_after_its_defect() -> None:
    """Reports tell a saboteur from the reference operator."""
    spec = parse("reference", defect="rounds-cpu")

    assert spec.describe() == {"name": "reference+rounds-cpu", "defect": "rounds-cpu"}


def test_a_binary_is_known_by_its_content(tmp_path: Path) -> None:
    """The path becomes absolute, and the checksum is the file's."""
    path = tmp_path / "provider-services"
    path.write_bytes(b"#!/bin/true\n")
    path.chmod(0o755)

    spec = parse(str(path))

    assert spec.command == (str(path.resolve()),)
    assert spec.describe() == {
        "name": "provider-services", "sha256": hashlib.sha256(b"#!/bin/true\n").hexdigest(),
    }  # fmt: skip


def test_a_file_that_is_not_executable_is_refused(tmp_path: Path) -> None:
    """The hint is the command that makes it executable."""
    path = tmp_path / "operator"
    path.touch(mode=0o644)

    with pytest.raises(UsageError, match="the file is not executable") as caught:
        parse(str(path))

    assert caught.value.hint == f"chmod +x {path}"


@pytest.mark.parametrize("text", ["/nowhere/operator", "", ".", "reference ", "Reference"])
def test_a_path_without_a_file_is_refused(text: str) -> None:
    """The error shows what was given, and the hint what can be."""
    with pytest.raises(UsageError, match="there is no such file") as caught:
        parse(text)

    assert f"--operator {text}:" in caught.value.what
    assert "'reference'" in caught.value.hint


@pytest.mark.parametrize("name", ["x/y:1", "host.example:5000/team/op:v1.2", "op@sha256:0123"])
def test_an_image_is_named(name: str) -> None:
    """It has no command here: it is called in a pod."""
    spec = parse(f"image:{name}")

    assert (spec.image, spec.command, spec.sha256) == (name, (), "")
    assert spec.describe() == {"name": name, "image": name}


def test_an_archive_is_known_by_its_content(tmp_path: Path) -> None:
    """What is in it is looked at later, once."""
    path = tmp_path / "image.tar"
    path.write_bytes(b"image")

    spec = parse(f"image:{path}")

    assert (spec.name, spec.image) == ("image.tar", str(path))
    assert spec.sha256 == hashlib.sha256(b"image").hexdigest()


@pytest.mark.parametrize(
    ("text", "said"),
    [("image:/nowhere/image.tar", "there is no such file"), ("image:", "no image's name"), ("image:A b", "no image's")],
)
def test_what_is_no_image_is_refused(text: str, said: str) -> None:
    """The error shows what was given."""
    with pytest.raises(UsageError, match=f"--operator {text}: .*{said}"):
        parse(text)


def test_an_image_is_for_a_pod() -> None:
    """On a backend whose operators are processes it is refused before anything is started."""
    with pytest.raises(UsageError, match="on embedded the operator is a process") as caught:
        preflight(parse("image:x/y:1"), NO_TOOLCHAIN)

    assert "--backend kind" in caught.value.hint


def test_a_defect_is_for_the_reference_operator_only() -> None:
    """Nobody can ask a binary to be wrong."""
    with pytest.raises(UsageError, match="--defect rounds-cpu goes with --operator reference only"):
        parse("/bin/true", defect="rounds-cpu")


def test_the_flags_are_those_of_the_contract() -> None:
    """Names as upstream's; the address is loopback; the period is a Go duration; no --config unless there is one."""
    config = OperatorConfig(Path("/k"), 1, 2, "http://r", "ns", registry_period_s=0.25)

    flags = dict(flag.split("=", 1) for flag in config.arguments())

    assert flags["--registry-query-period"] == "250ms"
    assert flags["--rest-address"] == "127.0.0.1"
    assert (flags["--rest-port"], flags["--grpc-port"], flags["--kubeconfig"]) == ("1", "2", "/k")
    assert (flags["--provider-configs-url"], flags["--pod-namespace"]) == ("http://r", "ns")
    assert "--config" not in flags
    assert "--rest-address=0.0.0.0" in OperatorConfig(Path("/k"), 1, 2, "", "", address="0.0.0.0").arguments()
    assert OperatorConfig(Path("/k"), 1, 2, "", "", config="/c.yaml").arguments()[-1] == "--config=/c.yaml"


def test_what_flags_say_can_be_said_by_the_environment() -> None:
    """Each flag but those of the ports becomes a variable with the contract's prefix, and nothing is said twice."""
    config = OperatorConfig(Path("/k"), 1, 2, "http://r", "ns", config="/c.yaml", by_environment=True)
    flags = {word.partition("=")[0] for word in OperatorConfig(Path("/k"), 1, 2, "", "", config="x").arguments()}

    assert config.arguments() == ["--rest-port=1", "--grpc-port=2"]
    assert config.variables()["AP_PROVIDER_CONFIGS_URL"] == "http://r"
    assert {f"--{name[3:].lower().replace('_', '-')}" for name in config.variables()} == flags - {
        "--rest-port", "--grpc-port"
    }  # fmt: skip
    assert OperatorConfig(Path("/k"), 1, 2, "", "").variables() == {}


def test_a_binary_gets_the_clusters_environment_only() -> None:
    """Nothing of the user's environment reaches the system under test; the reference gets what it needs to be found."""
    assert environment(parse(sys.executable), {"PATH": "/bin"}) == {"PATH": "/bin"}
    assert set(environment(parse("reference"), {"PATH": "/bin"})) == {"PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
