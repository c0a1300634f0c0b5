#!/bin/bash
# Makes a node of a plain Debian: run once, in a container of the base system, when the image is assembled.
set -o errexit -o nounset -o pipefail

# What boots in a node is what a node needs: the rest of Debian's units would wait for hardware that is not there.
rm -f /lib/systemd/system/multi-user.target.wants/* /etc/systemd/system/*.wants/* \
  /lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service \
  /lib/systemd/system/sockets.target.wants/*udev* /lib/systemd/system/sockets.target.wants/*initctl*
echo "ReadKMsg=no" >> /etc/systemd/journald.conf
: > /etc/machine-id

systemctl enable kubelet.service containerd.service undo-mount-hacks.service inventory-harness-network.service
# These change the whole kernel's settings, not the node's.
systemctl mask systemd-binfmt.service

mkdir -p /etc/kubernetes/manifests /opt/cni/bin /usr/local/sbin
ln -sf /usr/lib/cni/* /opt/cni/bin/
for program in containerd containerd-shim-runc-v2 ctr; do
  ln -sf "/usr/bin/${program}" "/usr/local/bin/${program}"
done
ln -sf /usr/sbin/runc /usr/local/sbin/runc
ln -sf /lib/systemd/systemd /usr/sbin/init
mkdir -p /usr/local/etc/haproxy
