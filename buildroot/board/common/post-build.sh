#!/usr/bin/env bash
# Buildroot calls it with the finished root and the board's name: only our own start scripts stay; the image knows its age.
set -euo pipefail

root=${1:?the root directory}
here=$(cd "$(dirname "$0")" && pwd)
overlay=$here/../../overlay

for script in "$root"/etc/init.d/*; do
  [ -e "$overlay/etc/init.d/$(basename "$script")" ] || rm -f "$script"
done
if grep -q '^BR2_ROOTFS_OVERLAY=.*/board/developer/' "${BR2_CONFIG:?the configuration, which Buildroot names}"; then
  # A board that has a serial console of its own has no virtio.
  terminal=$(sed -n 's/^roost_console=console=\([^, ]*\).*/\1/p' "$here/../${2:?the board}/roost.env" 2>/dev/null || true)
  sed -e "s/^ttyAMA0:/${terminal:-ttyAMA0}:/" ${terminal:+-e "/^hvc0:/d"} "$here/../developer/inittab" >>"$root/etc/inittab"
fi
# What our files replace, a read-only root cannot use, or nobody loads.
rm -rf "$root"/lib/modules "$root"/etc/network "$root"/etc/issue "$root"/etc/securetty "$root"/var/lib/misc
# Of the file system's tools three are called (S20data). liburcu's configure wants a compiler for C++, whose library comes along.
find "$root"/usr/sbin -name 'xfs_*' ! -name xfs_repair ! -name xfs_growfs -delete
rm -rf "$root"/usr/sbin/fsck.xfs "$root"/usr/lib/libINIReader.so* "$root"/usr/{share,lib,libexec}/xfsprogs
# smartctl is asked now and then; its daemon would watch what the keeper watches.
rm -rf "$root"/usr/sbin/{smartd,update-smart-drivedb} "$root"/etc/smartd*
grep -rqs 'libstdc++\.so' "$root"/{,usr/}{bin,sbin} || rm -f "$root"/{,usr/}lib/libstdc++.so*
mkdir -p "$root"/{data,var/log}
ln -sfn /run/resolv.conf "$root/etc/resolv.conf"

built=$(git -C "$here" log -1 --format=%ct 2>/dev/null || date +%s)
# image.sh tells the version, and the public keys that updates are signed with.
printf 'VERSION=%s\nBUILT=%s\nBOARD=%s\n' "${ROOST_IMAGE_VERSION:-unknown}" "$built" "${2:?the board}" >"$root/etc/roost-release"
printf '%s\n' "${ROOST_UPDATE_KEYS:-}" >"$root/etc/roost-update.keys"
