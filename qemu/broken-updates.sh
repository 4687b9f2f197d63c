#!/usr/bin/env bash
# Makes updates of every sort out of a developer image, signed with the builder's key, for the proof that none harms a board.
#
#   broken-updates.sh DIRECTORY      reads DIRECTORY/{slot.img,kernel,initrd}, leaves DIRECTORY/updates/*.roost
#
# one, two: good.   panics: its kernel finds no root.   closed: its daemon cannot open the store.   hangs: its daemon
# answers for a while, then hangs.   dies: its program ends at once, whatever it is asked.   foreign: good, but signed with another key.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${ROOST_CACHE:-$HOME/.cache/roost}
key=${ROOST_UPDATE_KEY:-$cache/update.key}
board=qemu_aarch64_virt
image=$(realpath "${1:?the directory of a developer image}")
out=$image/updates
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH=$PATH:/usr/sbin:/sbin

die() { printf 'broken-updates: %s\n' "$*" >&2; exit 1; }
[ -e "$image/slot.img" ] || die "no board image in $image (make board-image)"
"$here/packages.sh" qemu-system-arm nbdkit squashfs-tools mtools u-boot-tools device-tree-compiler
format=$(sed -n 's/^pub const VERSION: u32 = \([0-9]*\);$/\1/p' "$here/../firmware/store/src/segment.rs")
bundle() { cargo run -q --locked --manifest-path "$here/../Cargo.toml" -p board --bin roost-bundle -- "$@"; }

# A root with another version, changed by a function, packed with kernel and, if wanted, initrd, and signed.
make_update() {
  local name=$1 change=$2 signer=$3 initrd=()
  [ "$name" = panics ] || initrd=("$image/initrd")
  rm -rf "$work/root"
  cp -a "$work/original" "$work/root"
  sed -i "s/^VERSION=.*/VERSION=$name/" "$work/root/etc/roost-release"
  $change
  mksquashfs "$work/root" "$work/root.squashfs" -quiet -no-progress -noappend -all-root -comp zstd -Xcompression-level 3 >"$work/log" ||
    die "$(cat "$work/log")"
  "$here/../buildroot/board/common/slot-image.sh" 0x40400000 "$work/root.squashfs" "$image/kernel" "${initrd[@]}" "$work/slot.img"
  bundle make --key "$signer" --board $board --version "$name" --store-format "$format" "$work/slot.img" "$out/$name.roost"
}

nothing() { :; }

# In front of the daemon stands a script that spoils `serve`.
wrap() {
  mv "$work/root/usr/bin/roost" "$work/root/usr/bin/roost.real"
  {
    echo '#!/bin/sh'
    echo "$1"
    echo 'exec /usr/bin/roost.real "$@"'
  } >"$work/root/usr/bin/roost"
  chmod 755 "$work/root/usr/bin/roost"
}
# shellcheck disable=SC2016 # expanded on the board
closed() { wrap '[ "$1" != serve ] || exec /usr/bin/roost.real serve --data /usr/share --trouble /run/roost-trouble'; }
# shellcheck disable=SC2016 # expanded on the board
hangs() { wrap '[ "$1" != serve ] || (sleep 12; kill -STOP $$) &'; }
dies() { wrap 'exit 1'; }

rm -rf "$out"
mkdir -p "$out"
# Devices, which only root could make, are not in our root.
unsquashfs -quiet -no-progress -dest "$work/original" "$image/slot.img" >"$work/log" || die "$(cat "$work/log")"
make_update one nothing "$key"
make_update two nothing "$key"
make_update panics nothing "$key"
make_update closed closed "$key"
make_update hangs hangs "$key"
make_update dies dies "$key"
bundle key "$work/foreign.key" >/dev/null
make_update foreign nothing "$work/foreign.key"
