#!/usr/bin/env bash
# Buildroot calls it with the directory of images and the board's name: makes the slot, the boot partition and the disk.
#
# Leaves roost-BOARD.img.xz (what is written to the card), disk.img (the same, uncompressed, for QEMU), slot.img (what an
# update carries) and SHA256SUMS.
set -euo pipefail

images=${1:?the directory of images} board=${2:?the board}
here=$(cd "$(dirname "$0")" && pwd)
root_limit=$((24 * 1024 * 1024))
export PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=/dev/null
. "$here/../$board/board.conf"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

root_size=$(stat -c %s "$images/rootfs.squashfs")
[ "$root_size" -le $root_limit ] || { echo "post-image: the root has $root_size octets, more than $root_limit" >&2; exit 1; }
# shellcheck disable=SC2154 # board.conf sets it
slot=("$load_address" "$images/rootfs.squashfs" "$images/Image")
# For a kernel that has the disk's drivers as modules, such as a distribution's.
[ ! -e "$images/initrd" ] || slot+=("$images/initrd")
"$here/slot-image.sh" "${slot[@]}" "$images/slot.img"

mkimage -A arm64 -T script -C none -d "$here/boot.cmd" "$work/boot.scr" >/dev/null
mkdir "$work/boot"
cp "$work/boot.scr" "$work/boot/"
[ ! -e "$here/../$board/roost.env" ] || cp "$here/../$board/roost.env" "$work/boot/"
# A Raspberry Pi's firmware reads its files, the device trees and U-Boot from here too.
if [ -d "$images/rpi-firmware" ]; then
  cp -r "$images"/rpi-firmware/. "$work/boot/"
  cp "$images/u-boot.bin" "$work/boot/"
  # shellcheck disable=SC2154 # board.conf sets it
  for tree in $device_trees; do cp "$images/${tree%=*}.dtb" "$work/boot/${tree#*=}.dtb"; done
fi
mkfs.vfat -C -F 32 -n ROOST-BOOT "$work/boot.vfat" $((64 * 1024)) >/dev/null
mcopy -s -i "$work/boot.vfat" "$work"/boot/* ::

cp "$images/slot.img" "$work/slot.img"
mkdir "$work/empty"
truncate -s 16M "$work/data.zero"
genimage --config "$here/partitions.cfg" --rootpath "$work/empty" --tmppath "$work/tmp" --inputpath "$work" \
  --outputpath "$work" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
mv "$work/disk.img" "$images/disk.img"
xz -T0 -c "$images/disk.img" >"$images/roost-$board.img.xz"
(cd "$images" && sha256sum "roost-$board.img.xz" slot.img >SHA256SUMS)
ls -l "$images/roost-$board.img.xz" "$images/slot.img" "$images/rootfs.squashfs"
