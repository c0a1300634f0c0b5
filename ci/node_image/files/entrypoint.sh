#!/bin/bash
# First process of a node made from this image; kind's own entrypoint follows.
#
# Where a node runs without --privileged, because the machine withholds a capability that --privileged asks for, Docker
# mounts read-only what a node must write. Where it runs privileged, nothing here does anything.
set -o errexit -o nounset -o pipefail

while read -r _ _ _ _ point options _; do
  case "${point}" in
    /sys | /sys/fs/cgroup | /sys/fs/cgroup/* | /proc/sys)
      case ",${options}," in
        *,ro,*) mount -o remount,rw,bind "${point}" ;;
      esac
      ;;
  esac
done < /proc/self/mountinfo

# The kubelet reads the kernel's log.
[[ -e /dev/kmsg ]] || mknod -m 600 /dev/kmsg c 1 11

# CAP_SYS_RESOURCE is number 24 (linux/capability.h). Without it nobody may lower an oom_score_adj.
bounding=$(awk '/^CapBnd:/ { print $2 }' /proc/self/status)
if ! ((0x${bounding} >> 24 & 1)); then
  sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' /etc/containerd/config.toml
fi

exec "$@"
