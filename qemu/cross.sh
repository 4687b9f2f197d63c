#!/usr/bin/env bash
# Builds a static, stripped aarch64 binary of a workspace package and prints its path.
#
#   cross.sh [PACKAGE [BINARY]]        default: roost roost
#
# The target's standard library comes from rustup where it can be had, else from Debian's packages (debian-toolchain.sh).
# ROOST_TOOLCHAIN=rustup|debian decides it by hand; ROOST_CROSS_TARGET moves the target directory;
# CC_aarch64_unknown_linux_musl names another C compiler (ring has C and assembler parts).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
package=${1:-roost} binary=${2:-${1:-roost}}
target=aarch64-unknown-linux-musl

die() { printf 'cross: %s\n' "$*" >&2; exit 1; }
command -v cargo >/dev/null || die "needs Rust: https://rustup.rs"

find_compiler() {
  local compiler
  for compiler in aarch64-linux-musl-gcc aarch64-linux-gnu-gcc; do
    if command -v "$compiler"; then return; fi
  done
  command -v apt-get >/dev/null || die "needs a C compiler for aarch64: install aarch64-linux-gnu-gcc"
  "$here/packages.sh" gcc-aarch64-linux-gnu libc6-dev-arm64-cross >&2
  command -v aarch64-linux-gnu-gcc
}

rustup_has_target() {
  local lib
  lib=$(rustc --print sysroot)/lib/rustlib/$target/lib
  [ -d "$lib" ] || { command -v rustup >/dev/null && timeout 300 rustup -q target add $target >/dev/null 2>&1 && [ -d "$lib" ]; }
}

compiler=${CC_aarch64_unknown_linux_musl:-$(find_compiler)}
toolchain=${ROOST_TOOLCHAIN:-}
if [ -z "$toolchain" ]; then
  if rustup_has_target; then toolchain=rustup; else toolchain=debian; fi
fi
case $toolchain in
  rustup) rustup_has_target || die "rustup cannot add $target; try ROOST_TOOLCHAIN=debian" ;;
  debian)
    RUSTC=$("$here/debian-toolchain.sh" "$compiler")
    export RUSTC
    ;;
  *) die "ROOST_TOOLCHAIN is rustup or debian, not $toolchain" ;;
esac

export CC_aarch64_unknown_linux_musl=$compiler
! command -v "${compiler%gcc}ar" >/dev/null || export AR_aarch64_unknown_linux_musl=${compiler%gcc}ar
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=$compiler
# Fingerprints know a compiler by its version, not by its path: each toolchain has its own directory.
export CARGO_TARGET_DIR=${ROOST_CROSS_TARGET:-$here/../target/cross}/$toolchain
(cd "$here/.." && nice -n 5 cargo build --release --locked --target $target -p "$package" --bin "$binary" >&2)
realpath "$CARGO_TARGET_DIR/$target/release/$binary"
