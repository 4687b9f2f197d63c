#!/usr/bin/env bash
# Installs the Debian packages named, where they are missing: as root, or through sudo; else names the line to run.
set -euo pipefail

missing=()
for package in "$@"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  as_root=(sudo -n)
  if ! sudo -n true 2>/dev/null; then
    printf 'please run, then repeat: sudo apt-get install -y --no-install-recommends %s\n' "${missing[*]}" >&2
    exit 1
  fi
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=900 "$@" >"$log" 2>&1; }
printf 'installing %s\n' "${missing[*]}" >&2
# The second try is for a machine whose package lists are absent or old, or that another apt is busy with.
for _ in 1 2 3; do
  ! apt install -y --no-install-recommends "${missing[@]}" || exit 0
  apt update || true
done
tail -n 5 "$log" >&2
exit 1
