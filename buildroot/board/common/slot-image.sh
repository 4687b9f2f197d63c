#!/usr/bin/env bash
# Makes the contents of a root slot: the squashfs and, behind it at the next 4 KiB, a FIT with the kernel, the initrd if
# there is one, and their hashes. The kernel mounts the slot as it is; boot.cmd finds the FIT by the squashfs' length.
#
#   slot-image.sh LOAD-ADDRESS SQUASHFS KERNEL [INITRD] OUT      the kernel is an uncompressed arm64 Image
set -euo pipefail

[ $# = 4 ] || [ $# = 5 ] || { echo "usage: slot-image.sh LOAD-ADDRESS SQUASHFS KERNEL [INITRD] OUT" >&2; exit 2; }
address=$1 squashfs=$2 kernel=$3 out=${!#} initrd=
[ $# = 4 ] || initrd=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

{
  # shellcheck disable=SC2016 # no expansion is meant
  printf '/dts-v1/;\n/ { description = "Roost"; #address-cells = <1>;\n images {\n'
  printf 'kernel { data = /incbin/("%s"); type = "kernel"; arch = "arm64"; os = "linux"; compression = "none";\n' "$(realpath "$kernel")"
  printf ' load = <%s>; entry = <%s>; hash { algo = "sha256"; }; };\n' "$address" "$address"
  if [ -n "$initrd" ]; then
    printf 'initrd { data = /incbin/("%s"); type = "ramdisk"; arch = "arm64"; os = "linux"; compression = "none";\n' "$(realpath "$initrd")"
    printf ' hash { algo = "sha256"; }; };\n'
  fi
  printf ' };\n configurations { default = "roost"; roost { kernel = "kernel"; %s }; };\n};\n' "${initrd:+ramdisk = \"initrd\";}"
} >"$work/fit.its"
# The moment of the build would make every image another one.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0} mkimage -f "$work/fit.its" "$work/fit" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }

cp "$squashfs" "$work/slot"
used=$(od -A n -t u8 -j 40 -N 8 "$squashfs" | tr -d ' ')
truncate -s $(((used + 4095) / 4096 * 4096)) "$work/slot"
cat "$work/fit" >>"$work/slot"
# Whole sectors: the loader reads them.
truncate -s %512 "$work/slot"
mv "$work/slot" "$out"
