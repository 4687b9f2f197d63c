#!/usr/bin/env bash
# Builds a board's image with Buildroot.
#
#   image.sh [--developer] [--check | --legal-info] BOARD
#
# BOARD is a name of configs/*.config; the image is left in target/image/BOARD/images. --developer adds a root shell on the
# consoles and SSH (target/image/BOARD-developer); --check only configures, and sees that every line of the configuration survives;
# --legal-info collects, after a build, licences and sources of what the image consists of in target/image/BOARD/legal-info.
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
check='' developer='' legal=''
while [ $# -gt 1 ]; do
  case $1 in
    --check) check=yes ;;
    --developer) developer=yes ;;
    --legal-info) legal=yes ;;
    *) die "usage: image.sh [--developer] [--check | --legal-info] BOARD" ;;
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
downloads=${BUILDROOT_DL:-$target/buildroot-dl}
# Of the lines of each option, the last.
last_lines() {
  awk -v prefix="$1" '$0 ~ "^" prefix { name = $0; sub(/=.*/, "", name) } $0 ~ "^# " prefix { name = $2 }
    $0 ~ "^(# )?" prefix { last[name] = $0; order[++n] = name }
    END { for (i = 1; i <= n; i++) if (!seen[order[i]]++) print last[order[i]] }'
}
cat "$here/configs/common.config" "$here/configs/$board.config" ${developer:+"$here/board/developer/developer.config"} \
  ${IMAGE_CONFIG:+"$IMAGE_CONFIG"} | last_lines BR2_ >"$out/wanted.config"
if [ -n "$developer" ]; then
  sed -i "s:^\(BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES=\".*\)\"\$:\1 \$(BR2_EXTERNAL_ROOST_PATH)/board/developer/linux.fragment\":" "$out/wanted.config"
  grep -q '/developer/linux.fragment"$' "$out/wanted.config" || die "no kernel fragment of $board to add the developer's to"
fi
build() { FORCE_UNSAFE_CONFIGURE=1 BR2_DL_DIR=$downloads make -C "$tree" O="$out" BR2_EXTERNAL="$here" "$@"; }
build BR2_DEFCONFIG="$out/wanted.config" defconfig >"$out/defconfig.log" 2>&1 || { tail -n 5 "$out/defconfig.log" >&2; exit 1; }

# Kconfig drops in silence what cannot be: the Rust package without a toolchain for it, for example. Prints which lines of the
# files that come after the configuration and the prefix of its options are not in it; of one option's lines, the last counts.
lost() {
  local config=$1 prefix=$2
  shift 2
  cat "$@" | last_lines "$prefix" | awk -v prefix="^$prefix" 'NR == FNR { have[$0]; if ($0 ~ prefix) { sub(/=.*/, ""); set[$0] } next }
    /^#/ ? ($2 in set) : !($0 in have)' "$config" -
}
none_lost() {
  local lines
  lines=$(lost "${@:2}")
  [ -z "$lines" ] || die "$1: these lines do not survive: $lines"
}
none_lost Buildroot "$out/.config" BR2_ "$out/wanted.config"
[ -z "$check" ] || exit 0

# Licence texts in Buildroot's words that nothing was compared with, which it does not mind. It has none itself for one of Rust's.
unknown_licences() {
  awk '/Collecting legal info/ { package = $2 }
    (/No hash found for / || /no hash file for /) && package " " $NF != "host-rust-bin LICENSE-MIT" { print package ": " $0 }'
}

# --- the crates, by what cargo says for the board
mkdir -p "$out/crates"
workspace=(--locked --manifest-path "$here/../Cargo.toml")
cargo metadata "${workspace[@]}" --format-version 1 --filter-platform aarch64-unknown-linux-musl >"$out/crates/crates.json"
cargo tree "${workspace[@]}" --package roost --target aarch64-unknown-linux-musl --edges normal,no-proc-macro --prefix none >"$out/crates/crates.tree"

if [ -n "$legal" ]; then
  # The daemon's source is the workspace, in which this build's own output lies.
  build legal-info RSYNC_VCS_EXCLUSIONS="--exclude .git --exclude /target --exclude /data" 2>&1 | tee "$out/legal-info.log"
  unknown=$(unknown_licences <"$out/legal-info.log")
  [ -z "$unknown" ] || die "legal-info: $unknown"
  "$here/crates.py" licences "$out/crates" "$out/legal-info/licenses/roost-local/crates"
  # The one thing that Buildroot leaves to its caller, and warns of each time: its own source.
  saved=buildroot-$version.tar.gz
  tar -C "$tree" --exclude ./.git --exclude ./dl --exclude ./output --transform "s:^\\.:buildroot-$version:" -czf "$out/legal-info/$saved" .
  (cd "$out/legal-info" && sha256sum "$saved" >>legal-info.sha256)
  warnings=$(grep '^WARNING' "$out/legal-info/README" | grep -v 'the Buildroot source code has not been saved' || true)
  [ -z "$warnings" ] || die "legal-info: $warnings"
  printf '%s\n' "$out/legal-info"
  exit 0
fi

bundle() { cargo run -q "${workspace[@]}" -p board --bin roost-bundle -- "$@"; }
key=${ROOST_UPDATE_KEY:-$HOME/.cache/roost/update.key}
mkdir -p "$(dirname "$key")"
ROOST_UPDATE_KEYS=$(bundle key "$key")
# For post-build.sh. ROOST_VERSION itself would come there as make's variable of the package.
ROOST_IMAGE_VERSION=${ROOST_VERSION:-$(git -C "$here" describe --always --dirty 2>/dev/null || echo unknown)}
export ROOST_UPDATE_KEYS ROOST_IMAGE_VERSION

# Before the long part: are kernel, loader and BusyBox configured as our files say?
build linux-configure uboot-configure busybox-configure
wanted() { sed -n "s/^$1=\"\(.*\)\"/\1/p" "$out/.config" | sed "s:\$(BR2_EXTERNAL_ROOST_PATH):$here:g"; }
configured() {
  local files
  read -ra files <<<"$(wanted "$2") ${3:+$(wanted "$3")}"
  none_lost "$1" "$(echo "$out/build/$1"-[0-9c]*/.config)" CONFIG_ "${files[@]}"
}
configured linux BR2_LINUX_KERNEL_CUSTOM_CONFIG_FILE BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES
configured uboot BR2_TARGET_UBOOT_CONFIG_FRAGMENT_FILES
configured busybox BR2_PACKAGE_BUSYBOX_CONFIG_FRAGMENT_FILES
# The workspace may have changed since the last time: Buildroot would not look. Nor would it take away from the root what an
# earlier build put there and this one does not: the root is put together anew.
[ ! -e "$out/build/roost-local" ] || build roost-dirclean
rm -rf "$out/target"
rm -f "$out"/build/*/.stamp_target_installed "$out"/build/host-gcc-final-*/.stamp_host_installed
build

# --- what it consists of. The list of licences that have an identifier comes from the network; without it they go by their names.
build -s --no-print-directory show-info >"$out/show-info.json"
cyclonedx() { "$tree/utils/generate-cyclonedx" <"$out/show-info.json" >"$out/buildroot.cdx.json" 2>"$out/sbom.log"; }
if ! BR2_DL_DIR=$downloads cyclonedx; then
  mkdir -p "$out/no-list/cyclonedx"
  echo '{}' >"$out/no-list/cyclonedx/spdx-1.6.schema.json"
  BR2_DL_DIR=$out/no-list cyclonedx || die "no list of parts: $(tail -n 1 "$out/sbom.log")"
fi
"$here/crates.py" sbom "$out/crates" "$here/../Cargo.lock" <"$out/buildroot.cdx.json" >"$out/images/sbom.json"

# --- the update
format=$(sed -n 's/^pub const VERSION: u32 = \([0-9]*\);$/\1/p' "$here/../firmware/store/src/segment.rs")
[ -n "$format" ] || die "firmware/store/src/segment.rs does not tell the store's format"
bundle make --key "$key" --board "$board" --version "$ROOST_IMAGE_VERSION" --store-format "$format" \
  "$out/images/slot.img" "$out/images/update.roost"
bundle sign --key "$key" "$out/images/SHA256SUMS"
printf '%s\n' "$out/images"
