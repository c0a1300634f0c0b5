"""What is kept of what was read: what the inventory depends on, under other names, and nothing else. docs/capture.md.

Everything here makes new objects from what is known to be needed. Nothing is copied that was not thought of: a field
that a later Kubernetes adds is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.capture.pseudonyms import Pseudonyms
from harness.cluster.storage import LABEL, LOCAL_PATH
from harness.model import quantity
from harness.model.hardware import NVIDIA_PRESENT, is_managed
from harness.names.limits import DISCOVERY_POD
from harness.run.observe import trim

ASKED_FOR = ("cpu", "memory", "ephemeral-storage", "nvidia.com/gpu", "amd.com/gpu")
"""The resources that figures follow from."""

OF_NODES = (*ASKED_FOR, "pods")
CEPH = ".csi.ceph.com"
FOREIGN_PROVISIONER = "provisioner.invalid"
NO_QUANTITY = "unreadable"
"""What stands for a text that is no quantity where there should be one."""

_GPU_LABEL = re.compile(rf"{LABEL}/capabilities\.gpu\.vendor\.[a-z0-9]+\.model\.[\w.-]+")
_CLASS_LABEL = f"{LABEL}/capabilities.storage.class."
_WELL_KNOWN_TAINT = re.compile(r"node(-role)?\.kubernetes\.io/[a-z-]+")
_VALUE = re.compile(r"true|\d+")
_HARDWARE = re.compile(r"[\w .,:@()/+\[\]®™-]{0,120}")
_INFO = frozenset({"id", "vendor", "vendor_id", "model", "model_id", "interface", "memory_size", "vcores"})


@dataclass(slots=True)
class Anonymous:
    """Makes what is kept. Objects are as the API server tells them; what comes out has the shape of a history's."""

    names: Pseudonyms = field(default_factory=Pseudonyms)

    def node(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Capacity, allocatable, Ready, cordoned, taints, managed labels."""
        kept = trim("nodes", item)
        spec, status = kept["spec"], kept["status"]
        taints = [{"key": self._taint(one["key"]), "effect": one["effect"]} for one in spec.get("taints") or ()]
        return {
            "metadata": {**self._meta(kept), "labels": self.labels(kept["metadata"].get("labels") or {})},
            "spec": {
                **({"unschedulable": True} if spec.get("unschedulable") else {}),
                **({"taints": taints} if taints else {}),
            },
            "status": {
                "capacity": _amounts(status["capacity"], OF_NODES),
                "allocatable": _amounts(status["allocatable"], OF_NODES),
                "conditions": [one for one in status["conditions"] if one["type"] == "Ready"],
            },
        }

    def pod(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """What it asks for, where it is, and its phase; of volumes the memory-backed ones."""
        kept = trim("pods", item)
        spec, status = kept["spec"], kept["status"]
        parts = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        called = {one["name"]: f"c{number}" for number, one in enumerate(parts)}
        volumes = [_volume(number, one["emptyDir"]) for number, one in enumerate(spec["volumes"]) if _is_memory(one)]
        made: dict[str, Any] = {key: [_container(one, called) for one in spec[key]] for key in _CONTAINERS}
        if spec.get("nodeName"):
            made["nodeName"] = self.names.name(spec["nodeName"])
        if spec.get("overhead"):
            made["overhead"] = _amounts(spec["overhead"], ASKED_FOR)
        if (spec.get("resources") or {}).get("requests"):
            made["resources"] = {"requests": _amounts(spec["resources"]["requests"], ASKED_FOR)}
        return {
            "metadata": {**self._meta(kept), "namespace": self.names.name(kept["metadata"]["namespace"])},
            "spec": {**made, "volumes": volumes},
            "status": {
                "phase": status.get("phase", ""),
                "conditions": [one for one in status["conditions"] if one["type"] == "PodResizePending"],
                **{key: [_running(one, called) for one in status[key]] for key in _STATUSES},
            },
        }

    def storage_class(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Its label, and which kind of storage it is; pool and cluster where that is Ceph."""
        kept = trim("storageclasses", item)
        labelled = (kept["metadata"].get("labels") or {}).get(LABEL) == "true"
        parameters = kept.get("parameters") or {}
        pool = {key: self.names.name(str(parameters[key])) for key in ("pool", "clusterID") if key in parameters}
        return {
            "metadata": {**self._meta(kept), "labels": {LABEL: "true"} if labelled else {}},
            "provisioner": self._provisioner(str(kept.get("provisioner") or "")),
            **({"parameters": pool} if pool else {}),
        }

    def volume(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Its capacity, class and phase."""
        kept = trim("persistentvolumes", item)
        spec = kept["spec"]
        return {
            "metadata": self._meta(kept),
            "spec": {
                "capacity": _amounts(spec.get("capacity") or {}, ("storage",)),
                "storageClassName": self.names.name(str(spec.get("storageClassName") or "")),
            },
            "status": {"phase": str(kept["status"]["phase"])},
        }

    def labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """The labels that belong to the operator, under the names of what they are about."""
        managed = {key: value for key, value in labels.items() if is_managed(key)}
        return {self._label(key): value if _VALUE.fullmatch(value) else "other" for key, value in managed.items()}

    def answer(self, body: Any) -> Any:
        """An inventory that was reported; what is missing stays missing, what has another type keeps it."""
        if not isinstance(body, Mapping) or set(body) == {"raw"}:
            return {"raw": "no inventory"}
        told = (("nodes", self._told), ("storage", self._stored))
        return {key: _each(body[key], make) for key, make in told if key in body}

    def _told(self, node: Mapping[str, Any]) -> dict[str, Any]:
        made = {key: _plain(value, self.names.name) for key, value in node.items() if key == "name"}
        if "resources" in node:
            made["resources"] = _parts(node["resources"], self._resource)
        if "capabilities" in node:
            made["capabilities"] = _parts(node["capabilities"], self._classes)
        return made

    def _resource(self, key: str, value: Any) -> Any:
        if key in {"cpu", "memory", "gpu"}:
            return _parts(value, self._of_resource)
        return _quantity(value) if key in {"ephemeral_storage", "volumes_attached", "volumes_mounted"} else _LEFT_OUT

    def _of_resource(self, key: str, value: Any) -> Any:
        if key == "quantity":
            return _quantity(value)
        return _each(value, _info) if key == "info" else _LEFT_OUT

    def _classes(self, key: str, value: Any) -> Any:
        named = isinstance(value, list) and key == "storage_classes"
        return [_plain(one, self.names.name) for one in value] if named else _plain(value, _blank)

    def _stored(self, item: Mapping[str, Any]) -> dict[str, Any]:
        made = {"quantity": _quantity(item["quantity"])} if "quantity" in item else {}
        return {**made, **({"info": _parts(item["info"], self._storage_info)} if "info" in item else {})}

    def _storage_info(self, key: str, value: Any) -> Any:
        if key == "class":
            return _plain(value, self.names.name)
        return _plain(value, lambda text: text if _VALUE.fullmatch(text) else "") if key == "iops" else _LEFT_OUT

    def _meta(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        meta = kept["metadata"]
        return {"name": self._called(meta["name"]), "uid": self.names.uid(meta["uid"])}

    def _called(self, name: str) -> str:
        """A discovery pod is still one: its name is made from its node's."""
        node = name.removeprefix(DISCOVERY_POD)
        return self.names.name(name) if node == name else DISCOVERY_POD + self.names.name(node)

    def _label(self, key: str) -> str:
        if key in {LABEL, NVIDIA_PRESENT} or _GPU_LABEL.fullmatch(key):
            return key
        for prefix in (_CLASS_LABEL, f"{LABEL}/"):
            if key.startswith(prefix):
                return prefix + self.names.name(key.removeprefix(prefix))
        return LABEL + self.names.name(key.removeprefix(LABEL))

    def _taint(self, key: str) -> str:
        return key if _WELL_KNOWN_TAINT.fullmatch(key) else self.names.name(key)

    def _provisioner(self, real: str) -> str:
        if real == LOCAL_PATH:
            return real
        return self.names.name(real.removesuffix(CEPH)) + CEPH if real.endswith(CEPH) else FOREIGN_PROVISIONER


_CONTAINERS = ("containers", "initContainers")
_STATUSES = ("containerStatuses", "initContainerStatuses")
_OF_DEVICE = ("name", "interface", "memory_size")
_LEFT_OUT = object()


def hardware(body: Any) -> dict[str, Any] | None:
    """What a discovery API said of processors and cards; None where it has another shape."""
    cpu, gpu = (body.get(part) if isinstance(body, Mapping) else None for part in ("cpu", "gpu"))
    if not isinstance(cpu, Mapping) or not isinstance(gpu, Mapping) or "cards" not in gpu:
        return None
    of_cpu = ("id", "total_threads", "total_hardware_threads", "vendor", "model")
    try:
        processors = [{key: _word(one[key]) for key in of_cpu if key in one} for one in cpu["processors"]]
        cards = [
            {"pci": {key: {"id": _word(one["pci"][key]["id"])} for key in ("vendor", "product")}}
            for one in gpu["cards"] or ()
        ]
    except (KeyError, TypeError, AttributeError):
        return None
    return {"cpu": {"processors": processors}, "gpu": {"cards": cards or None}}


def registry(body: Any) -> dict[str, Any] | None:
    """The GPU registry's content as far as it is documented; None where it has another shape."""
    try:
        return {
            str(vendor): {
                "name": _word(content["name"]),
                "devices": {
                    str(device): {key: _word(facts[key]) for key in _OF_DEVICE if key in facts}
                    for device, facts in content["devices"].items()
                },
            }
            for vendor, content in body.items()
        }
    except (KeyError, TypeError, AttributeError):
        return None


def _amounts(listed: Mapping[str, Any], which: Iterable[str]) -> dict[str, str]:
    return {name: str(listed[name]) for name in which if name in listed}


def _container(one: Mapping[str, Any], called: Mapping[str, str]) -> dict[str, Any]:
    asked = _amounts((one.get("resources") or {}).get("requests") or {}, ASKED_FOR)
    stays = {"restartPolicy": "Always"} if one.get("restartPolicy") == "Always" else {}
    return {"name": called[one["name"]], "resources": {"requests": asked}, **stays}


def _running(one: Mapping[str, Any], called: Mapping[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": called.get(one.get("name", ""), "other")}
    if one.get("resources") is not None:
        made["resources"] = {"requests": _amounts(one["resources"].get("requests") or {}, ASKED_FOR)}
    if one.get("allocatedResources"):
        made["allocatedResources"] = _amounts(one["allocatedResources"], ASKED_FOR)
    return made


def _is_memory(volume: Mapping[str, Any]) -> bool:
    return (volume.get("emptyDir") or {}).get("medium") == "Memory"


def _volume(number: int, source: Mapping[str, Any]) -> dict[str, Any]:
    size = {"sizeLimit": str(source["sizeLimit"])} if "sizeLimit" in source else {}
    return {"name": f"v{number}", "emptyDir": {"medium": "Memory", **size}}


def _each(value: Any, make: Any) -> Any:
    """A list of objects; what is none keeps its type."""
    if not isinstance(value, list):
        return _plain(value, _blank)
    return [make(one) if isinstance(one, Mapping) else _plain(one, _blank) for one in value]


def _parts(value: Any, make: Any) -> Any:
    """The known parts of an object."""
    if not isinstance(value, Mapping):
        return _plain(value, _blank)
    made = {key: make(key, inner) for key, inner in value.items()}
    return {key: inner for key, inner in made.items() if inner is not _LEFT_OUT}


def _quantity(value: Any) -> Any:
    def figure(key: str, inner: Any) -> Any:
        return _plain(inner, _readable) if key in {"capacity", "allocatable", "allocated"} else _LEFT_OUT

    return _parts(value, figure)


def _readable(text: str) -> str:
    try:
        quantity.parse(text)
    except quantity.QuantityError:
        return NO_QUANTITY
    return text


def _info(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _word(value) for key, value in item.items() if key in _INFO or key == "name"}


def _word(value: Any) -> Any:
    """What hardware is called; a text that cannot be that is left empty."""
    return _plain(value, lambda text: text if _HARDWARE.fullmatch(text) else "")


def _blank(_text: str) -> str:
    """A text where there should be none may be anything."""
    return ""


def _plain(value: Any, of_text: Any) -> Any:
    """A plain value of its type: what is a text goes through `of_text`, what is nested is emptied."""
    if isinstance(value, str):
        return of_text(value)
    if isinstance(value, Mapping):
        return {}
    return [] if isinstance(value, list) else value
