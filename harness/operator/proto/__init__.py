"""Messages of the inventory operator's gRPC service, and its method paths.

`inventory_pb2.py` and `inventory_pb2.pyi` are generated from `inventory.proto` by, from the repository's root::

    python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. harness/operator/proto/inventory.proto

Service stubs are not generated: two methods are written by hand where they are served and called, from these paths.
"""

from __future__ import annotations

SERVICE = "akash.inventory.v1.ClusterRPC"
QUERY_CLUSTER = "QueryCluster"
STREAM_CLUSTER = "StreamCluster"
