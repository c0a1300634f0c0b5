#!/bin/bash
# Writes to stdout a tar of what kube-proxy calls, with the libraries that this needs: it runs on an image of its own.
set -o errexit -o nounset -o pipefail

programs=(/usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi /usr/sbin/nft /usr/sbin/conntrack)
mapfile -t plugins < <(find /usr/lib -path '*/xtables/*.so')
mapfile -t libraries < <(ldd "${programs[@]}" "${plugins[@]}" | awk '$3 ~ "^/" { print $3 } $1 ~ "^/.*ld-linux" { print $1 }' | sort -u)

root=$(mktemp -d)
trap 'rm -rf "${root}"' EXIT
for file in "${programs[@]}" "${plugins[@]}" "${libraries[@]}" /etc/protocols /etc/services; do
  if [[ -e "${file}" ]]; then
    mkdir -p "${root}$(dirname "${file}")"
    cp -L "${file}" "${root}${file}"
  fi
done
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
  ln -s xtables-nft-multi "${root}/usr/sbin/${name}"
done
mkdir -p "${root}/run" "${root}/var/lib" "${root}/tmp"
tar -C "${root}" -cf - .
