#!/usr/bin/env bash
# Builds a board's image with Buildroot.
#
#   image.sh [--developer] [--check] BOARD
#
# BOARD is a name of configs/*.config; the image is left in target/image/BOARD/images. --developer adds a root shell on the
# consoles (target/image/BOARD-developer); --check only configures, and sees that every line of the configuration survives.
#
# BUILDROOT names a tree of Buildroot 2026.05.1; without it the release is cloned. BUILDROOT_DL is where sources are kept
# (target/buildroot-dl). IMAGE_CONFIG names a file of more configuration lines, for other toolchains or mirrors.
# ROOST_UPDATE_KEY names the key that updates are signed with (~/.cache/roost/update.key, made if it is not there): the image
# trusts it, and the update for boxes that run an earlier image is signed with it.
set -euo pipefail

version=2026.05.1
commit=cb857ba4c87a93e5265a9e4a3f32071abf39e14a
origin=https://gitlab.com/buildroot.org/buildroot.git
here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$here/.." && pwd)/target

die() { printf 'image: %s\n' "$*" >&2; exit 1; }
check='' developer=''
while [ $# -gt 1 ]; do
  case $1 in
    --check) check=yes ;;
    --developer) developer=yes ;;
    *) die "usage: image.sh [--developer] [--check] BOARD" ;;
  esac
  shift
done
board=${1:-}
if [ ! -e "$here/configs/$board.config" ] || [ "$board" = common ]; then
  die "no board '$board': one of $(cd "$here/configs" && echo *.config | sed 's/common.config //; s/\.config//g')"
fi

# A commit is the hash of all it has: what was cloned is what was meant.
clone() {
  local tree=$target/buildroot-$version
  if [ ! -d "$tree/.git" ]; then
    rm -rf "$tree.new"
    git clone -q --depth 1 --branch $version $origin "$tree.new" >&2 || die "cannot clone Buildroot; BUILDROOT=dir names a tree"
    mv "$tree.new" "$tree"
  fi
  [ "$(git -C "$tree" rev-parse HEAD)" = $commit ] || die "$tree is not Buildroot $version as published"
  echo "$tree"
}
tree=${BUILDROOT:-$(clone)}
found=$(sed -n 's/^export BR2_VERSION := //p' "$tree/Makefile") || die "no Buildroot in $tree"
[ "$found" = $version ] || die "$tree is Buildroot $found, $version is needed"

out=$target/image/$board${developer:+-developer}
mkdir -p "$out"
# A later line replaces an earlier one of the same option.
cat "$here/configs/common.config" "$here/configs/$board.config" ${developer:+"$here/board/developer/developer.config"} \
  ${IMAGE_CONFIG:+"$IMAGE_CONFIG"} |
  awk '/^BR2_/ { name = $0; sub(/=.*/, "", name) } /^# BR2_/ { name = $2 } /^#? ?BR2_/ { last[name] = $0; order[++n] = name; next } { next }
    END { for (i = 1; i <= n; i++) if (!seen[order[i]]++) print last[order[i]] }' >"$out/wanted.config"
build() { FORCE_UNSAFE_CONFIGURE=1 BR2_DL_DIR=${BUILDROOT_DL:-$target/buildroot-dl} make -C "$tree" O="$out" BR2_EXTERNAL="$here" "$@"; }
build BR2_DEFCONFIG="$out/wanted.config" defconfig >"$out/defconfig.log" 2>&1 || { tail -n 5 "$out/defconfig.log" >&2; exit 1; }
# Kconfig drops in silence what cannot be: the Rust package without a toolchain for it, for example.
lost=$(awk 'NR == FNR { have[$0]; if (/^BR2_/) { sub(/=.*/, ""); set[$0] } next }
  /^#/ ? ($2 in set) : !($0 in have)' "$out/.config" "$out/wanted.config")
[ -z "$lost" ] || die "these lines do not survive: $lost"
[ -z "$check" ] || exit 0

bundle() { cargo run -q --locked --manifest-path "$here/../Cargo.toml" -p board --bin roost-bundle -- "$@"; }
key=${ROOST_UPDATE_KEY:-$HOME/.cache/roost/update.key}
mkdir -p "$(dirname "$key")"
ROOST_UPDATE_KEYS=$(bundle key "$key")
# For post-build.sh. ROOST_VERSION itself would come there as make's variable of the package.
ROOST_IMAGE_VERSION=${ROOST_VERSION:-$(git -C "$here" describe --always --dirty 2>/dev/null || echo unknown)}
export ROOST_UPDATE_KEYS ROOST_IMAGE_VERSION

# The workspace may have changed since the last time: Buildroot would not look.
[ ! -e "$out/build/roost-local" ] || build roost-dirclean
build
build -s --no-print-directory show-info >"$out/show-info.json"
# It fetches the list of licences; a build without network has its sources and no list of them.
if ! "$tree/utils/generate-cyclonedx" <"$out/show-info.json" >"$out/images/sbom.json" 2>"$out/sbom.log"; then
  rm -f "$out/images/sbom.json"
  printf 'image: no sbom.json: %s\n' "$(tail -n 1 "$out/sbom.log")" >&2
fi
format=$(sed -n 's/^pub const VERSION: u32 = \([0-9]*\);$/\1/p' "$here/../firmware/store/src/segment.rs")
[ -n "$format" ] || die "firmware/store/src/segment.rs does not tell the store's format"
bundle make --key "$key" --board "$board" --version "$ROOST_IMAGE_VERSION" --store-format "$format" \
  "$out/images/slot.img" "$out/images/update.roost"
printf '%s\n' "$out/images"
