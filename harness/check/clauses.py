"""The clauses of the contract's part A, the interface: what each says, and which promises are judged on it.

A clause is no promise: it says how the operator is spoken to, and a promise says what must then be true. So the verdict
on a clause is that of its promises in the scenarios whose tests carry its id (mark `clause`). A clause without promises
has a reason why no scenario can, or need, say anything of it. docs/contract.md is made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROCESS_ONLY = "an operator is run as a plain process with a kubeconfig, not in a pod"


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause.

    `id`: A-SECTION-N; `judged_by`: the ids of the promises that are judged on it; `reason`: why none is.
    """

    id: str
    text: str
    judged_by: tuple[str, ...] = ()
    reason: str = ""

    @property
    def section(self) -> str:
        """The part of the interface that it is about."""
        return self.id.split("-")[1]


SECTIONS: Mapping[str, str] = {
    "PROCESS": "The process",
    "CONFIGURATION": "The configuration",
    "OBJECTS": "Kubernetes objects",
    "LABELS": "Node labels",
    "DISCOVERY": "Hardware discovery",
    "REGISTRY": "The GPU registry",
    "REST": "REST",
    "GRPC": "gRPC",
    "STORAGE": "Storage figures",
    "DESIGN": "Differences by design, which are no findings",
}

CLAUSES: Mapping[str, Clause] = {
    clause.id: clause
    for clause in (
        Clause(
            "A-PROCESS-1",
            "It is called as `BINARY operator inventory`, with flags for kubeconfig, REST and gRPC port, listening "
            "address, registry URL and period, pod namespace, discovery image.",
            ("TRUTH-1",),
        ),
        Clause(
            "A-PROCESS-2",
            "Whatever a flag says can be said by an environment variable: `AP_`, the flag's name in capitals, "
            "underscores for dashes. Ports are flags only.",
            ("TRUTH-1",),
        ),
        Clause("A-PROCESS-3", "In a pod, ports that are not given are those of its own container.", (), PROCESS_ONLY),
        Clause("A-PROCESS-4", "Without a kubeconfig file the pod's own account is used.", (), PROCESS_ONLY),
        Clause("A-PROCESS-5", "SIGINT ends it in order, and it can be started again.", ("RECOVER-1",)),
        Clause("A-PROCESS-6", "A taken port ends it with an error, or is waited for.", ("RECOVER-3",)),
        Clause(
            "A-PROCESS-7",
            "An unusable kubeconfig, or an invalid configuration at start, ends it with an exit code other than zero.",
            (),
            "every scenario begins with an operator that can start; one that cannot is refused before any verdict",
        ),
        Clause(
            "A-PROCESS-8",
            "It logs to stderr.",
            (),
            "no promise rests on a line of the log but that a bad configuration is not passed over in silence "
            "(CONFIG-1); every run keeps the log",
        ),
        Clause("A-CONFIGURATION-1", "Without a configuration every node is offered.", ("TRUTH-1",)),
        Clause("A-CONFIGURATION-2", "`--config` that ends in `yaml` names a file.", ("CONFIG-1",)),
        Clause("A-CONFIGURATION-3", "`--config` that does not is the configuration itself.", ("TRUTH-1",)),
        Clause(
            "A-CONFIGURATION-4",
            "`exclude.nodes` holds regular expressions; a node whose name one of them matches is left out.",
            ("CONFIG-1", "TRUTH-1"),
        ),
        Clause("A-CONFIGURATION-5", "A change of the file applies without a restart.", ("CONFIG-1",)),
        Clause("A-CONFIGURATION-6", "In a cluster the file changes by the swap of the `..data` link.", ("CONFIG-1",)),
        Clause("A-CONFIGURATION-7", "An unknown key or a bad regular expression is an error.", ("CONFIG-1",)),
        Clause(
            "A-CONFIGURATION-8",
            "`cluster_storage` names storage classes, `exclude.node_storage` takes some of them from some nodes.",
            ("TRUTH-6", "LABEL-1"),
        ),
        Clause("A-OBJECTS-1", "It watches Nodes and Pods in the whole cluster.", ("TRUTH-1", "TRUTH-2", "TRUTH-3")),
        Clause(
            "A-OBJECTS-2",
            "It watches Namespaces, StorageClasses, PersistentVolumes, and CephClusters where there are any.",
            ("TRUTH-6",),
        ),
        Clause(
            "A-OBJECTS-3",
            "It needs the rights that its role lists, and no others.",
            ("TRUTH-1", "TRUTH-5", "LABEL-1"),
        ),
        Clause(
            "A-OBJECTS-4",
            "The service account of the discovery pods exists in the pod namespace.",
            (),
            "a condition on the cluster, which is met; `chaos/service-account-missing` is about its absence",
        ),
        Clause("A-LABELS-1", "A node that is offered carries `akash.network=true`.", ("LABEL-1",)),
        Clause(
            "A-LABELS-2",
            "For each GPU model a node carries keys for vendor and model, with memory size, and with interface (sxm of "
            "any generation is `sxm`), each with the number of such cards.",
            ("LABEL-1",),
        ),
        Clause("A-LABELS-3", "With a card of NVIDIA it carries `nvidia.com/gpu.present=true`.", ("LABEL-1",)),
        Clause("A-LABELS-4", "Keys of the operator's that are not wanted are removed.", ("LABEL-1",)),
        Clause(
            "A-LABELS-5",
            "An excluded, cordoned or NotReady node carries none of them, and is not reported.",
            ("LABEL-1", "TRUTH-1"),
        ),
        Clause("A-LABELS-6", "Storage classes have keys of their own.", ("LABEL-1",)),
        Clause(
            "A-DISCOVERY-1",
            "One discovery pod on each node, with the labels, the service account and a name made from the node's.",
            ("TRUTH-5",),
        ),
        Clause("A-DISCOVERY-2", "Discovery pods of an earlier process do not stay.", ("RECOVER-4",)),
        Clause(
            "A-DISCOVERY-3",
            "Through the API server's pod proxy, `GET /cpu` tells processors with id, vendor, model and threads.",
            ("TRUTH-5",),
        ),
        Clause("A-DISCOVERY-4", "`GET /gpu` tells cards by PCI vendor and product, or null.", ("TRUTH-5",)),
        Clause("A-DISCOVERY-5", "An error is a 500 with text; a read has five seconds.", ("RECOVER-4",)),
        Clause(
            "A-DISCOVERY-6",
            "`GET /memory`, `/pci` and `/` tell more.",
            (),
            "nothing that is reported rests on it: `memory.info` is null by design",
        ),
        Clause(
            "A-REGISTRY-1",
            "`GET URL/devices/gpus` maps PCI vendors to their name and devices, and devices to name, interface and "
            "memory size; it is read again and again.",
            ("TRUTH-5", "LABEL-1"),
        ),
        Clause("A-REGISTRY-2", "On an error the old content is kept.", ("TRUTH-5",)),
        Clause("A-REST-1", "`GET /v1/inventory` is 200 with a JSON object of `nodes` and `storage`.", ("SHAPE-1",)),
        Clause(
            "A-REST-2",
            "`?pretty` indents it.",
            (),
            "how an answer is laid out says nothing of what it says; programs leave it out",
        ),
        Clause(
            "A-REST-3",
            "A node has a name, resources with `allocatable`, `allocated` and `capacity`, and storage classes; "
            "quantities are strings in any Kubernetes notation.",
            ("SHAPE-1", "TRUTH-2"),
        ),
        Clause("A-REST-4", "CPU and GPU info are lists of objects, or null when empty.", ("SHAPE-1", "TRUTH-5")),
        Clause("A-REST-5", "`/metrics/health` and `/metrics/ready` tell health and readiness.", ("AVAIL-3",)),
        Clause(
            "A-REST-6",
            "`/debug/pprof/` is there.",
            (),
            "for people; another operator need not be written in Go",
        ),
        Clause("A-GRPC-1", "`ClusterRPC.QueryCluster` answers with the inventory.", ("SHAPE-1", "SHAPE-2")),
        Clause(
            "A-GRPC-2",
            "`ClusterRPC.StreamCluster` sends the last inventory at once, and then each that follows.",
            ("SHAPE-2",),
        ),
        Clause("A-GRPC-3", "Messages have the documented field numbers.", ("SHAPE-1", "SHAPE-2")),
        Clause(
            "A-GRPC-4",
            "Reflection is served.",
            (),
            "for people with tools such as grpcurl; clients have the protocol's file",
        ),
        Clause(
            "A-GRPC-5",
            "Who pings faster than every 30 s is sent away.",
            (),
            "a condition on clients, which ours meet",
        ),
        Clause(
            "A-STORAGE-1",
            "Classes named in `cluster_storage` whose StorageClass is labelled are reported, by provisioner and pool.",
            ("TRUTH-6",),
        ),
        Clause("A-STORAGE-2", "Allocated is the sum of the capacities of the class's volumes.", ("TRUTH-6",)),
        Clause("A-DESIGN-1", "Volumes attached and mounted are zero, and `memory.info` is null.", ("SHAPE-1",)),
        Clause(
            "A-DESIGN-2",
            "The chart's liveness script restarts an operator without nodes, or with GPUs without info.",
            (),
            "the deployment's doing; any scenario can be run with it (`--as-deployed`), RECOVER-1 tells the restarts",
        ),
        Clause(
            "A-DESIGN-3",
            "A node is published after the first change of the Node once its discovery pod runs.",
            ("TRUTH-1",),
        ),
    )
}
"""By id, in the contract's order."""
