#!/bin/bash
# The pod network of nodes made from this image, in the place of a CNI plugin with a daemon of its own.
#
# A node with the address A.B.C.N on the nodes' network gives its pods addresses of 10.244.N.0/24, and reaches those of
# the node A.B.C.M through that one. So every route is known when a node boots, and nothing needs to be told of nodes
# that come and go. Pods are routed (ptp), not bridged: traffic to a service always meets the packet filter.
set -o errexit -o nounset -o pipefail

pods=10.244
address=$(getent ahostsv4 "$(hostname)" | awk 'NR == 1 { print $1 }')
if [[ -z "${address}" ]]; then
  echo "no IPv4 address for $(hostname): this image's pod network needs one" >&2
  exit 1
fi
network=${address%.*}
own=${address##*.}

mkdir -p /etc/cni/net.d
cat > /etc/cni/net.d/10-inventory-harness.conflist << CONFLIST
{
  "cniVersion": "0.4.0",
  "name": "inventory-harness",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "dataDir": "/run/cni-ipam-state",
        "routes": [{ "dst": "0.0.0.0/0" }],
        "ranges": [[{ "subnet": "${pods}.${own}.0/24" }]]
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } }
  ]
}
CONFLIST

for ((n = 1; n < 255; n++)); do
  if ((n != own)); then
    echo "route replace ${pods}.${n}.0/24 via ${network}.${n}"
  fi
done | ip -batch -

leaves=(POSTROUTING -s "${pods}.0.0/16" ! -d "${pods}.0.0/16" -j MASQUERADE)
iptables -t nat -C "${leaves[@]}" 2> /dev/null || iptables -t nat -A "${leaves[@]}"
