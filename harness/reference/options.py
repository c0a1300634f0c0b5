"""The command line: contract.md part A's flags, each with its `AP_` environment variable (ports: flags only)."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REST_PORT, GRPC_PORT = 8080, 8081
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. Ports are None when not given; durations are seconds."""

    kubeconfig: Path
    config: str
    rest_port: int | None
    grpc_port: int | None
    rest_address: str
    api_timeout_s: float
    query_timeout_s: float
    provider_configs_url: str
    registry_query_period_s: float
    discovery_image: str
    pod_namespace: str
    discovery_period_s: float
    defect: str


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint="python -m harness.reference operator inventory --help")


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Options:
    """Options from the command line and the environment; raises UsageError."""

    def preset(name: str, default: str) -> str:
        return environment.get("AP_" + name.upper().replace("-", "_"), default)

    parser = _Parser(prog="python -m harness.reference", description="The reference inventory operator.")
    parser.add_argument("command", nargs=2, metavar="operator inventory", help="the words `operator inventory`")
    parser.add_argument("--rest-port", type=_port, help=f"default {REST_PORT}; in a pod, its own port named rest")
    parser.add_argument("--grpc-port", type=_port, help=f"default {GRPC_PORT}; in a pod, its own port named grpc")
    for name, default, text in (
        ("kubeconfig", str(Path.home() / ".kube/config"), "kubeconfig; a missing file means in-cluster"),
        ("config", "", "configuration: a file that ends in yaml, or YAML text"),
        ("rest-address", "0.0.0.0", "address of both listeners"),  # noqa: S104 - upstream's default
        ("api-timeout", "3s", "deadline of a request to the API server"),
        ("query-timeout", "2s", "deadline of a request to the GPU registry"),
        ("provider-configs-url", "", "base URL of the GPU registry"),
        ("registry-query-period", "5m", "how often the GPU registry is read"),
        ("discovery-image", "akash-network/provider:latest", "image of the discovery pods"),
        ("pod-namespace", "akash-services", "namespace of the discovery pods"),
        ("discovery-period", "30s", argparse.SUPPRESS),
        ("defect", "", "be a saboteur with this one defect; `list` prints them"),
    ):
        parser.add_argument(f"--{name}", default=preset(name, default), help=text)
    given = parser.parse_args(arguments)
    if given.command != ["operator", "inventory"]:
        raise UsageError(f"unknown command {' '.join(given.command)!r}", hint="the command is: operator inventory")
    return Options(
        kubeconfig=Path(given.kubeconfig).expanduser(),
        config=given.config,
        rest_port=given.rest_port,
        grpc_port=given.grpc_port,
        rest_address=given.rest_address,
        api_timeout_s=seconds(given.api_timeout),
        query_timeout_s=seconds(given.query_timeout),
        provider_configs_url=given.provider_configs_url,
        registry_query_period_s=seconds(given.registry_query_period),
        discovery_image=given.discovery_image,
        pod_namespace=given.pod_namespace,
        discovery_period_s=seconds(given.discovery_period),
        defect=given.defect,
    )


def seconds(text: str) -> float:
    """A Go duration (`1m30s`, `500ms`) in seconds; raises UsageError when it is none or not above zero."""
    parts = re.findall(r"(\d+\.?\d*)(h|ms|m|s|us|ns)", text)
    value = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or value <= 0:
        raise UsageError(f"not a duration: {text!r}", hint="for example 5m, 3s or 500ms")
    return float(value)


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; a number from 1 to 65535")
    return int(text)
