#!/usr/bin/env bash
# Assembles the quick board image, without root and without building a kernel.
#
#   image.sh [--developer|--radio] ROOST-BINARY DIRECTORY      leaves DIRECTORY/{disk.img,kernel,initrd,u-boot.bin,slot.img,update.roost}
#
# Debian's arm64 cloud kernel, BusyBox, XFS and firewall tools; our binary; our init scripts, partitions and file tree, which the
# Buildroot image uses too (../buildroot). --developer adds a root shell on the consoles and SSH; a released image has neither. --radio adds to
# that what a test of the Wi-Fi needs: Debian's other kernel, which simulates two radios, wpa_supplicant for the one and hostapd for the other.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
tree=$here/../buildroot
cache=${ROOST_CACHE:-$HOME/.cache/roost}
suite=bookworm
board=qemu_aarch64_virt
kernel=linux-image-cloud-arm64
# Signs updates; made here if it is not there. Never in the repository.
key=${ROOST_UPDATE_KEY:-$cache/update.key}
modules=(virtio_mmio virtio_blk nvme virtio_net virtio-rng virtio_console squashfs xfs vfat nls_ascii nls_cp437 softdog
  nf_tables nft_ct nft_limit nft_reject_inet)
# Programs and libraries besides BusyBox, with the packages they come from.
packages=(busybox-static xfsprogs util-linux libc6 libinih1 liburcu8 libblkid1 libuuid1 libsmartcols1
  nftables libnftables1 libmnl0 libnftnl11 libxtables12 libgmp10 libjansson4 libedit2 libtinfo6 libbsd0 libmd0
  smartmontools libselinux1 libpcre2-8-0 libstdc++6 libgcc-s1)
programs=(mkfs.xfs xfs_repair xfs_growfs partx nft smartctl)
libraries=(ld-linux-aarch64.so.1 libc.so.6 libinih.so.1 liburcu.so.8 libblkid.so.1 libuuid.so.1 libsmartcols.so.1
  libnftables.so.1 libmnl.so.0 libnftnl.so.11 libxtables.so.12 libgmp.so.10 libjansson.so.4 libedit.so.2 libtinfo.so.6
  libbsd.so.0 libmd.so.0 libselinux.so.1 libpcre2-8.so.0 libstdc++.so.6 libgcc_s.so.1 libm.so.6)

die() { printf 'image: %s\n' "$*" >&2; exit 1; }
developer='' radio=''
case ${1:-} in
  --developer) developer=yes; shift ;;
  --radio) developer=yes radio=yes; shift ;;
esac
[ $# = 2 ] || die "usage: image.sh [--developer|--radio] ROOST-BINARY DIRECTORY"
if [ -n "$developer" ]; then
  packages+=(dropbear-bin libcrypt1 libtomcrypt1 libtommath1 zlib1g)
  programs+=(dropbear dropbearkey)
  libraries+=(libcrypt.so.1 libtomcrypt.so.1 libtommath.so.1 libz.so.1)
fi
if [ -n "$radio" ]; then
  kernel=linux-image-arm64
  # Nothing in the image loads a module when it is asked for: the ciphers of the Wi-Fi are there from the beginning.
  modules+=(mac80211_hwsim ctr ccm gcm cmac bridge)
  packages+=(wpasupplicant hostapd iw libnl-3-200 libnl-genl-3-200 libnl-route-3-200 libpcsclite1 libssl3
    libdbus-1-3 libsystemd0 libcap2 libgcrypt20 libgpg-error0 liblzma5 libzstd1 liblz4-1)
  programs+=(wpa_supplicant hostapd iw)
  libraries+=(libnl-3.so.200 libnl-genl-3.so.200 libnl-route-3.so.200 libpcsclite.so.1 libssl.so.3 libcrypto.so.3
    libdbus-1.so.3 libsystemd.so.0 libcap.so.2 libgcrypt.so.20 libgpg-error.so.0 liblzma.so.5 libzstd.so.1 liblz4.so.1)
fi
binary=$1 out=$2
[ -x "$binary" ] || die "no program at $binary"
export PATH=$PATH:/usr/sbin:/sbin

# The distribution's parts, fetched and unpacked once: kernel, initrd with its drivers, arm64 programs and libraries.
prepare() {
  "$here/packages.sh" squashfs-tools mtools dosfstools genimage xfsprogs cpio kmod gzip u-boot-tools device-tree-compiler u-boot-qemu
  local kernel_package host_arch deb
  kernel_package=$("$here/debian-packages.sh" --depends "$kernel:arm64=$suite" | grep -m1 '^linux-image-')
  host_arch=$(dpkg --print-architecture)
  work=$parts.work
  rm -rf "$work"
  mkdir -p "$work"/{arm64,kernel,host}
  "$here/debian-packages.sh" "${packages[@]/%/:arm64=$suite}" | while read -r deb; do dpkg -x "$deb" "$work/arm64"; done
  dpkg -x "$("$here/debian-packages.sh" "$kernel_package:arm64=$suite")" "$work/kernel"
  [ -z "$radio" ] || dpkg -x "$("$here/debian-packages.sh" "wireless-regdb:all=$suite")" "$work/arm64"
  # The same BusyBox for this machine: tells its commands, checks our scripts.
  dpkg -x "$("$here/debian-packages.sh" "busybox-static:$host_arch=$suite")" "$work/host"
  cp "$work"/kernel/boot/vmlinuz-* "$work/vmlinuz"
  cp "$work/host/bin/busybox" "$work/busybox"
  keep_programs
  build_initrd
  rm -rf "$work/kernel" "$work/host" "$work/arm64"
  rm -rf "$parts"
  mv "$work" "$parts"
  touch "$parts/complete"
}

# Finds a file by name in the unpacked packages, following the link to what it really is.
find_file() {
  local found
  found=$(find "$work/arm64" -name "$1" ! -type d ! -path '*/doc/*' ! -path '*/etc/*' | sort | head -n 1)
  [ -n "$found" ] || die "no $1 in the packages"
  realpath "$found"
}

keep_programs() {
  local name
  mkdir -p "$work"/root/{bin,sbin,lib,usr/bin,usr/sbin}
  cp "$work/arm64/bin/busybox" "$work/root/bin/busybox"
  "$work/busybox" --list-full | while read -r name; do
    [ -e "$work/root/$name" ] || ln -s /bin/busybox "$work/root/$name"
  done
  for name in "${programs[@]}"; do cp --remove-destination "$(find_file "$name")" "$work/root/sbin/$name"; done
  for name in "${libraries[@]}"; do cp "$(find_file "$name")" "$work/root/lib/$name"; done
  chmod 755 "$work"/root/lib/*
}

build_initrd() {
  local kernel_version module path
  kernel_version=$(basename "$work"/kernel/lib/modules/*)
  depmod -b "$work/kernel" "$kernel_version"
  mkdir -p "$work"/initrd/{bin,dev,proc,root,modules}
  cp "$work/arm64/bin/busybox" "$work/initrd/bin/busybox"
  for name in sh mount umount insmod sleep reboot switch_root; do ln -s busybox "$work/initrd/bin/$name"; done
  for module in "${modules[@]}"; do
    modprobe -d "$work/kernel" -S "$kernel_version" --show-depends "$module" || die "the kernel has no module $module"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r path; do
    cp "$path" "$work/initrd/modules/"
    echo "/modules/$(basename "$path")"
  done >"$work/order"
  mv "$work/order" "$work/initrd/modules/order"
  if [ -n "$radio" ]; then
    # The countries' rules, which the kernel looks for before there is a root.
    mkdir -p "$work/initrd/lib/firmware"
    cp "$(find_file regulatory.db-debian)" "$work/initrd/lib/firmware/regulatory.db"
    cp "$(find_file regulatory.db.p7s-debian)" "$work/initrd/lib/firmware/regulatory.db.p7s"
  fi
  cp "$here/initramfs-init" "$work/initrd/init"
  (cd "$work/initrd" && find . | sort | cpio -o -H newc -R 0:0 --quiet --reproducible | gzip -9n) >"$work/initrd.gz"
  rm -rf "$work/initrd"
}

bundle() { cargo run -q --locked --manifest-path "$here/../Cargo.toml" -p board --bin roost-bundle -- "$@"; }

# The same contents as a signed update.
build_update() {
  local format
  format=$(sed -n 's/^pub const VERSION: u32 = \([0-9]*\);$/\1/p' "$here/../firmware/store/src/segment.rs")
  [ -n "$format" ] || die "firmware/store/src/segment.rs does not tell the store's format"
  bundle make --key "$key" --board $board --version "$version" --store-format "$format" "$build/slot.img" "$build/update.roost"
}

# The read-only root: the distribution's programs, our tree, our binary.
build_root() {
  local root=$build/root
  cp -a "$parts/root" "$root"
  mkdir -p "$root"/{data,dev,etc,proc,run,sys,tmp,var/log}
  cp -a "$tree/overlay/." "$root/"
  install -m 755 "$binary" "$root/usr/bin/roost"
  printf 'VERSION=%s\nBUILT=%s\nBOARD=%s\n' "$version" "$built" "$board" >"$root/etc/roost-release"
  bundle key "$key" >"$root/etc/roost-update.keys"
  if [ -n "$developer" ]; then
    cp -a "$tree/board/developer/overlay/." "$root/"
    cat "$tree/board/developer/inittab" >>"$root/etc/inittab"
  fi
  mksquashfs "$root" "$build/root.squashfs" -quiet -no-progress -all-root -comp zstd -b 128K \
    -mkfs-time "$built" -all-time "$built" >"$build/log" || die "$(cat "$build/log")"
}

build_boot() {
  mkfs.vfat -C -F 32 -n ROOST-BOOT "$build/boot.vfat" $((64 * 1024)) >"$build/log"
  mkimage -A arm64 -T script -C none -d "$tree/board/common/boot.cmd" "$build/boot.scr" >"$build/log"
  mcopy -i "$build/boot.vfat" "$build/boot.scr" ::boot.scr
}

# What prepare() makes depends on this script and the initramfs' init: another version of them has another directory.
fingerprint=$(cat "$here/image.sh" "$here/initramfs-init" | sha256sum | cut -c1-12)
parts=$cache/board-$fingerprint${developer:+-developer}${radio:+-radio}
mkdir -p "$cache" "$out"
exec 7>"$cache/.board.lock"
flock 7
[ -e "$parts/complete" ] || prepare
flock -u 7

version=${ROOST_VERSION:-$(git -C "$here" describe --always --dirty 2>/dev/null || echo unknown)}
built=$(git -C "$here" log -1 --format=%ct 2>/dev/null || stat -c %Y "$binary")
build=$out/build
rm -rf "$build"
mkdir -p "$build/empty"
build_root
"$tree/board/common/slot-image.sh" 0x40400000 "$build/root.squashfs" "$parts/vmlinuz" "$parts/initrd.gz" "$build/slot.img"
build_update
build_boot
truncate -s 16M "$build/data.zero"
genimage --config "$tree/board/common/partitions.cfg" --rootpath "$build/empty" --tmppath "$build/tmp" --inputpath "$build" \
  --outputpath "$build" >"$build/log" 2>&1 || die "$(tail -n 5 "$build/log")"
mv "$build/disk.img" "$build/slot.img" "$build/update.roost" "$out/"
cp /usr/lib/u-boot/qemu_arm64/u-boot.bin "$out/u-boot.bin"
cp "$parts/vmlinuz" "$out/kernel"
cp "$parts/initrd.gz" "$out/initrd"
rm -rf "$build"
