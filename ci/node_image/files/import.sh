#!/bin/bash
# Puts the images of the archive on stdin into the node's containerd, without unpacking: each node does that when it
# needs one, so that the image of the node holds every layer once.
set -o errexit -o nounset -o pipefail

# Nothing but the store is needed, and a container without privileges has nothing else.
cat > /tmp/import.toml << 'CONFIG'
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
CONFIG
containerd --config /tmp/import.toml > /tmp/containerd.log 2>&1 &
daemon=$!
timeout 60 bash -c 'until ctr version > /dev/null 2>&1; do sleep 0.2; done' || { cat /tmp/containerd.log >&2; exit 1; }
ctr --namespace k8s.io images import --all-platforms --no-unpack --digests -
ctr --namespace k8s.io images list --quiet
kill "${daemon}"
wait "${daemon}" || true
rm -rf /tmp/import.toml /tmp/containerd.log /run/containerd /var/log/*
