#!/usr/bin/env bash
# Installs the distribution's packages that `make test` needs; quiet when all are there. Where it may not, it names the line.
set -euo pipefail

packages=(
  # mail programs; swaks needs libnet-ssleay-perl for TLS
  isync fetchmail curl neomutt swaks libnet-ssleay-perl python3
  # verifies what the builder signs
  openssl
  # what an independent reader of the log inflates bodies with
  zstd
  # what the tests run beside them: `script`, `mount`, `dpkg-source`, `flock`
  bsdutils mount dpkg-dev util-linux
  # the firewall between two network namespaces
  nftables iproute2 iputils-ping
  # the boot loader's script under U-Boot in QEMU
  qemu-system-arm u-boot-qemu u-boot-tools device-tree-compiler genimage mtools dosfstools squashfs-tools
)
exec "$(dirname "$0")/../qemu/packages.sh" "${packages[@]}"
