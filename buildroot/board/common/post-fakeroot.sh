#!/usr/bin/env bash
# Buildroot calls it with the root as it is about to be packed, owners and modes set: nothing in it gives rights, and into a released
# image there is no way in.
set -euo pipefail

root=${1:?the root directory}
die() { printf 'post-fakeroot: %s\n' "$*" >&2; exit 1; }

# Buildroot's BusyBox runs as root for whoever starts it. Nobody here has a use for that: root starts everything.
find "$root" -type f -perm /6000 -exec chmod ug-s {} +

accounts=$(awk -F: '$2 !~ /^[*!]/ { print $1 }' "$root/etc/shadow")
[ -z "$accounts" ] || die "accounts with a password, or with none at all: $accounts"
open=$(awk -F: '$2 != "x" { print $1 }' "$root/etc/passwd")
[ -z "$open" ] || die "accounts whose password is not in /etc/shadow: $open"

! grep -q '^BR2_ROOTFS_OVERLAY=.*/board/developer/' "${BR2_CONFIG:?the configuration, which Buildroot names}" || exit 0
for name in developer-shell developer-ssh getty agetty login sulogin passwd sshd dropbear telnetd ftpd tftpd httpd inetd nc; do
  found=$(find "$root"/{,usr/}{bin,sbin} -name "$name")
  [ -z "$found" ] || die "a released image lets nobody in: $found"
done
shells=$(grep -E '^[^#]*:(askfirst|wait|once):|/(sh|ash)\b' "$root/etc/inittab" || true)
[ -z "$shells" ] || die "init offers a shell: $shells"
