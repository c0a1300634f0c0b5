"""Every kind of harm a scenario can ask for (public names; the code is in `harness.fault`)."""

from __future__ import annotations

from harness.fault.access import ApiGarbage, ApiHangs, ApiRefuses, ApiResets, ApiSlow, ApiTruncates
from harness.fault.apiserver import ApiServerHung, ApiServerKilled, CertificateReplaced
from harness.fault.base import Fault
from harness.fault.clients import HalfOpenStreams, HugeHeaders, IdleConnections, SlowClients
from harness.fault.config import ConfigBadAtStart, ConfigBroken, ConfigChanged, ConfigDeleted
from harness.fault.cutoff import NodeCutOff
from harness.fault.datastore import (
    Compacted,
    DatastoreSlowed,
    DatastoreStopped,
    LeaderLost,
    SpaceExhausted,
)
from harness.fault.discovery import DiscoveryBroken, DiscoveryUnsettled
from harness.fault.discoveryimage import DiscoveryImageMissing
from harness.fault.discoverypod import DiscoveryPodDeleted, DiscoveryPodEnds, DiscoveryPodPending
from harness.fault.ending import OperatorCrashLoops, OperatorInterrupted, OperatorTerminated
from harness.fault.host import FilesLimited, OperatorPaused, ProcessorStarved
from harness.fault.kubelet import KubeletStopped, NodePressed, RuntimeStopped
from harness.fault.machine import MachineKilled, MachinePaused, MachineRestarted, MachineStopped
from harness.fault.member import (
    LeaderMoved,
    MemberKilled,
    MemberPartitioned,
    MemberPaused,
    MemberReplaced,
    MemberSlowed,
    QuorumLost,
)
from harness.fault.memory import MemoryLimited
from harness.fault.node import AllocatableChanged, NodeCordoned, NodeDeleted, NodeReplaced, NodeSilent, NodesJoin
from harness.fault.nodepods import NodeDrained, NodeTainted
from harness.fault.noderejoin import NodeRejoins
from harness.fault.nodeset import NodeEmptyStatus, NodeNeverReady, NodeRenamed, NodesDeleted
from harness.fault.nodestate import ClockAhead, ExtendedResourceRemoved, NodeFlaps, NodeNotReady
from harness.fault.operator import DeletionMissed, OperatorKilled, RegistryEarly
from harness.fault.policy import AdmissionDenies, NamespaceRecreated, QuotaExhausted, ServiceAccountMissing
from harness.fault.port import PortTaken
from harness.fault.registry import RegistryBroken, RegistryChanged, RegistryFlaps
from harness.fault.rejected import DiscoveryPodRejected
from harness.fault.rights import RightsRevoked
from harness.fault.second import SecondOperator
from harness.fault.server import ServerKilled, ServerPaused
from harness.fault.servercertificates import ServerCertificatesRotated
from harness.fault.servermachine import ServerMachineKilled
from harness.fault.sql import ConnectionsExhausted, SqlReadOnly
from harness.fault.starved import OperatorStarved
from harness.fault.storage import (
    CephToolsBroken,
    PoolFilled,
    StorageClassDeleted,
    StorageClassUnlabelled,
    VolumeDeleted,
)
from harness.fault.strangers import ForeignPod, LeftoverPods
from harness.fault.timetravel import ListsFromThePast, VersionExpired, WatchesFromThePast
from harness.fault.together import Together
from harness.fault.token import TokenExpired
from harness.fault.watch import (
    WatchBookmarksOnly,
    WatchDelayed,
    WatchDropsEvents,
    WatchDuplicates,
    WatchError,
    WatchesClosed,
    WatchFrozen,
    WatchReorders,
)

__all__ = [
    "AdmissionDenies",
    "AllocatableChanged",
    "ApiGarbage",
    "ApiHangs",
    "ApiRefuses",
    "ApiResets",
    "ApiServerHung",
    "ApiServerKilled",
    "ApiSlow",
    "ApiTruncates",
    "CephToolsBroken",
    "CertificateReplaced",
    "ClockAhead",
    "Compacted",
    "ConfigBadAtStart",
    "ConfigBroken",
    "ConfigChanged",
    "ConfigDeleted",
    "ConnectionsExhausted",
    "DatastoreSlowed",
    "DatastoreStopped",
    "DeletionMissed",
    "DiscoveryBroken",
    "DiscoveryImageMissing",
    "DiscoveryPodDeleted",
    "DiscoveryPodEnds",
    "DiscoveryPodPending",
    "DiscoveryPodRejected",
    "DiscoveryUnsettled",
    "ExtendedResourceRemoved",
    "Fault",
    "FilesLimited",
    "ForeignPod",
    "HalfOpenStreams",
    "HugeHeaders",
    "IdleConnections",
    "KubeletStopped",
    "LeaderLost",
    "LeaderMoved",
    "LeftoverPods",
    "ListsFromThePast",
    "MachineKilled",
    "MachinePaused",
    "MachineRestarted",
    "MachineStopped",
    "MemberKilled",
    "MemberPartitioned",
    "MemberPaused",
    "MemberReplaced",
    "MemberSlowed",
    "MemoryLimited",
    "NamespaceRecreated",
    "NodeCordoned",
    "NodeCutOff",
    "NodeDeleted",
    "NodeDrained",
    "NodeEmptyStatus",
    "NodeFlaps",
    "NodeNeverReady",
    "NodeNotReady",
    "NodePressed",
    "NodeRejoins",
    "NodeRenamed",
    "NodeReplaced",
    "NodeSilent",
    "NodeTainted",
    "NodesDeleted",
    "NodesJoin",
    "OperatorCrashLoops",
    "OperatorInterrupted",
    "OperatorKilled",
    "OperatorPaused",
    "OperatorStarved",
    "OperatorTerminated",
    "PoolFilled",
    "PortTaken",
    "ProcessorStarved",
    "QuorumLost",
    "QuotaExhausted",
    "RegistryBroken",
    "RegistryChanged",
    "RegistryEarly",
    "RegistryFlaps",
    "RightsRevoked",
    "RuntimeStopped",
    "SecondOperator",
    "ServerCertificatesRotated",
    "ServerKilled",
    "ServerMachineKilled",
    "ServerPaused",
    "ServiceAccountMissing",
    "SlowClients",
    "SpaceExhausted",
    "SqlReadOnly",
    "StorageClassDeleted",
    "StorageClassUnlabelled",
    "Together",
    "TokenExpired",
    "VersionExpired",
    "VolumeDeleted",
    "WatchBookmarksOnly",
    "WatchDelayed",
    "WatchDropsEvents",
    "WatchDuplicates",
    "WatchError",
    "WatchFrozen",
    "WatchReorders",
    "WatchesClosed",
    "WatchesFromThePast",
]
