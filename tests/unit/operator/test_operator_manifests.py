from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.operator import manifests
from harness.operator.api import ERROR, OK, REFUSED, Answer
from harness.operator.liveness import failure
from harness.operator.manifests import Deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = Deployed(image="host.invalid/operator:1", discovery_image="host.invalid/discovery:1", registry_url="http://r")


def container(deployed: Deployed) -> dict[str, Any]:
    """The one container of a deployment's pods."""
    (found,) = manifests.deployment(deployed)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def environment(deployed: Deployed) -> dict[str, str]:
    """Its variables that have a value."""
    return {one["name"]: one["value"] for one in container(deployed)["env"] if "value" in one}


@pytest.mark.clause("A-PROCESS-3")
def test_an_operator_finds_its_ports_in_its_own_pod() -> None:
    """The container has the name, and the ports the names, by which an operator looks for them."""
    found = container(PLAIN)

    assert found["name"] == "operator-inventory"
    assert {port["name"]: port["containerPort"] for port in found["ports"]} == {"rest": 8080, "grpc": 8081}
    assert {"name": "AP_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}} in found["env"]
    assert found["args"] == ["provider-services", "operator", "inventory"]


def test_an_image_that_is_there_is_not_pulled() -> None:
    """Images that were loaded into the nodes are in no registry."""
    assert container(PLAIN)["imagePullPolicy"] == "IfNotPresent"


def test_settings_are_variables() -> None:
    """As in the chart; a file is named only where there is one."""
    assert environment(PLAIN) == {
        "AP_POD_NAMESPACE": "akash-services",
        "AP_DISCOVERY_IMAGE": "host.invalid/discovery:1",
        "AP_PROVIDER_CONFIGS_URL": "http://r",
        "AP_REGISTRY_QUERY_PERIOD": "2000ms",
    }
    assert environment(replace(PLAIN, config="version: v1"))["AP_CONFIG"].endswith("yaml")


def test_the_configuration_file_is_the_config_map() -> None:
    """It is mounted whole, so that a change comes by the swap of a link, at the place that the operator is told."""
    deployed = replace(PLAIN, config="version: v1")

    assert manifests.config_map(deployed)["data"] == {"config.yaml": "version: v1"}
    (mount,) = container(deployed)["volumeMounts"]
    assert environment(deployed)["AP_CONFIG"] == f"{mount['mountPath']}/config.yaml"
    assert "subPath" not in mount
    assert manifests.config_map(PLAIN)["data"] == {}


def test_without_the_liveness_script_nobody_looks() -> None:
    """Neither probe nor script is there."""
    assert "livenessProbe" not in container(PLAIN)
    assert container(PLAIN)["volumeMounts"] == []


@pytest.mark.parametrize(("scale", "delay", "period"), [(1.0, 240, 30), (0.1, 24, 3), (0.01, 2, 1)])
def test_the_liveness_script_looks_as_the_charts_does(scale: float, delay: int, period: int) -> None:
    """After 240 s, every 30 s, and one failure is enough; scaled, but never more often than each second."""
    probe = container(replace(PLAIN, liveness=True, scale=scale))["livenessProbe"]

    assert (probe["initialDelaySeconds"], probe["periodSeconds"], probe["failureThreshold"]) == (delay, period, 1)


def test_the_operator_is_never_there_twice() -> None:
    """A new pod comes when the old one is gone."""
    spec = manifests.deployment(PLAIN)["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_operators_pods_are_no_discovery_pods() -> None:
    """At its start an operator deletes every pod with the labels of discovery pods."""
    labels = manifests.deployment(PLAIN)["spec"]["template"]["metadata"]["labels"]

    assert labels["app.kubernetes.io/instance"] != "inventory-hardware-discovery"
    assert manifests.service()["spec"]["selector"] == labels


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """An operator that gives this one answer; the script that asks it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Nothing is printed."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield manifests.SCRIPT.replace("localhost:8080", f"127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def node(name: str, gpus: str = "0", info: Any = None) -> dict[str, Any]:
    """A node of an inventory, as far as the script looks."""
    return {"name": name, "resources": {"gpu": {"quantity": {"capacity": gpus}, "info": info}}}


@pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("bash", "curl", "jq")), reason="the script needs bash, curl and jq"
)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"nodes": [node("a")], "storage": []}),
        (200, {"nodes": [], "storage": []}),
        (200, {"nodes": None}),
        (200, {"storage": []}),
        (200, {"nodes": [node("a", "8", [{"vendor": "nvidia"}])]}),
        (200, {"nodes": [node("a"), node("b", "8")]}),
        (200, {"nodes": [node(name, "1") for name in "abcde"]}),
        (500, "no"),
        (200, "no JSON"),
        (200, []),
    ],
)
def test_the_script_decides_as_our_own_probe_does(status: int, body: Any) -> None:
    """What our own liveness probe fails over the script fails over as well, for the same reason."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    parsed = {"raw": body} if isinstance(body, str) else body
    now = time.monotonic()
    ours = failure(Answer("rest", now, now, OK if status == 200 else ERROR, str(status), parsed))

    with answering(status, raw) as script:
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)

    assert bool(done.returncode) is bool(ours)
    assert ours.partition(" and ")[0] in done.stdout


@pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("bash", "curl", "jq")), reason="the script needs bash, curl and jq"
)
def test_a_refused_connection_passes_both() -> None:
    """Nobody listens on the port: that is no reason to restart."""
    now = time.monotonic()

    done = subprocess.run(
        ["bash", "-c", manifests.SCRIPT.replace("localhost:8080", "127.0.0.1:1")], check=False, timeout=60
    )

    assert done.returncode == 0
    assert not failure(Answer("rest", now, now, REFUSED))
