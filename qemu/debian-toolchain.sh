#!/usr/bin/env bash
# Makes a Rust compiler with the standard library of aarch64-unknown-linux-musl from Debian's packages; prints rustc's path.
#
#   debian-toolchain.sh AARCH64-C-COMPILER
#
# For machines where rustup cannot fetch the target. Debian ships recent compilers (rustc-web) with their sources, but no
# musl standard library: it is built here, once, in the layout that rustup's has (self-contained start files and libc).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${ROOST_CACHE:-$HOME/.cache/roost}
compiler=${1:?an aarch64 C compiler}
target=aarch64-unknown-linux-musl
suite=bookworm
# Raise it when this script changes what it makes.
edition=1
home=$cache/rust-$suite-$edition

say() { printf 'debian-toolchain: %s\n' "$*" >&2; }
mkdir -p "$cache"
exec 8>"$cache/.rust.lock"
flock 8
if [ -e "$home/complete" ]; then
  echo "$home/bin/rustc"
  exit
fi

fetch() {
  "$here/packages.sh" libz3-4 libxml2 libedit2 binutils gcc libc6-dev
  local upstream llvm
  upstream=$("$here/debian-packages.sh" --version rustc-web:amd64=$suite)
  upstream=${upstream%%+*}
  llvm=$("$here/debian-packages.sh" --depends "libstd-rust-web-${upstream%.*}:amd64=$suite" | grep -m1 '^libllvm')
  "$here/debian-packages.sh" {rustc-web,libstd-rust-web-"${upstream%.*}",libstd-rust-web-dev,rust-web-src}:amd64="$suite@$upstream" \
    "$llvm:amd64=$suite" >"$work/compiler.list"
  "$here/debian-packages.sh" {musl-dev,libunwind-16-dev}:arm64=$suite >"$work/target.list"
}

unpack() {
  local deb program
  mkdir -p "$work/rust/bin" "$work/target-libs" "$work/mkstd/src"
  while read -r deb; do dpkg -x "$deb" "$work/rust"; done <"$work/compiler.list"
  while read -r deb; do dpkg -x "$deb" "$work/target-libs"; done <"$work/target.list"
  rm -rf "$work"/rust/usr/share "$work"/rust/usr/src/rustc-*/{src,compiler}
  for program in rustc rustdoc; do
    # shellcheck disable=SC2016 # expanded when the wrapper runs
    printf '#!/bin/sh\nhome=$(dirname "$(dirname "$(readlink -f "$0")")")\nLD_LIBRARY_PATH=$home/usr/lib/x86_64-linux-gnu exec "$home/usr/bin/%s" "$@"\n' \
      $program >"$work/rust/bin/$program"
    chmod +x "$work/rust/bin/$program"
  done
}

# panic_abort must be compiled with panic=abort while the rest unwinds, as Rust's own bootstrap does; LTO wants the bitcode.
build_std() {
  cat >"$work/mkstd/Cargo.toml" <<'TOML'
[package]
name = "mkstd"
version = "0.0.0"
edition = "2024"

[profile.release]
debug = 0

[workspace]
TOML
  : >"$work/mkstd/src/lib.rs"
  cat >"$work/mkstd/wrap" <<'SH'
#!/bin/sh
rustc=$1
shift
case " $* " in *" --crate-name panic_abort "*) exec "$rustc" "$@" -C panic=abort ;; esac
exec "$rustc" "$@"
SH
  chmod +x "$work/mkstd/wrap"
  (
    cd "$work/mkstd"
    env -u CARGO_TARGET_DIR -u RUSTFLAGS RUSTC="$work/rust/bin/rustc" RUSTC_WRAPPER="$work/mkstd/wrap" RUSTC_BOOTSTRAP=1 \
      CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS='-C embed-bitcode=yes' CC_aarch64_unknown_linux_musl="$compiler" \
      cargo build -q -Zbuild-std=std,panic_abort,panic_unwind --release --target $target >&2
  )
}

# The libraries, musl's start files and libc, gcc's begin and end files, and an unwinder.
install_std() {
  local lib=$work/rust/usr/lib/rustlib/$target/lib self gcc_dir
  self=$lib/self-contained
  mkdir -p "$self"
  find "$work/mkstd/target/$target/release/deps" -name 'lib*.rlib' ! -name 'libmkstd*' -exec cp {} "$lib" \;
  cp "$work"/target-libs/usr/lib/aarch64-linux-musl/{crt1.o,Scrt1.o,rcrt1.o,crti.o,crtn.o,libc.a} "$self"
  gcc_dir=$(dirname "$("$compiler" -print-libgcc-file-name)")
  cp "$gcc_dir"/{crtbegin.o,crtbeginS.o,crtend.o,crtendS.o} "$self"
  # libgcc_eh wants glibc's _dl_find_object; LLVM's unwinder, built with fortify, lacks one symbol of musl's, given here.
  cp "$work/target-libs/usr/lib/llvm-16/lib/libunwind.a" "$self"
  cat >"$work/chk.c" <<'C'
#include <stdarg.h>
struct _IO_FILE;
int vfprintf(struct _IO_FILE *, const char *, va_list);
int __fprintf_chk(struct _IO_FILE *f, int flag, const char *format, ...) {
    va_list arguments;
    (void)flag;
    va_start(arguments, format);
    int written = vfprintf(f, format, arguments);
    va_end(arguments);
    return written;
}
C
  "$compiler" -O2 -fno-stack-protector -c "$work/chk.c" -o "$work/chk.o"
  "${compiler%gcc}ar" r "$self/libunwind.a" "$work/chk.o" 2>/dev/null
}

work=$cache/rust-work
rm -rf "$work"
mkdir -p "$work"
say "fetching Debian's Rust compiler"
fetch
unpack
say "building the standard library for $target (about a minute, once)"
build_std
install_std
rm -rf "$home" "$work/rust/usr/src"
mv "$work/rust" "$home"
rm -rf "$work"
touch "$home/complete"
echo "$home/bin/rustc"
