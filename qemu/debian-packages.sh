#!/usr/bin/env bash
# Downloads Debian packages of any suite and architecture into the cache and prints their paths, one a line.
#
#   debian-packages.sh PACKAGE:ARCHITECTURE=SUITE[@UPSTREAM]...    @UPSTREAM asks for a version that starts so
#   debian-packages.sh --depends PACKAGE:ARCHITECTURE=SUITE        prints what the package depends on, a name a line
#   debian-packages.sh --version PACKAGE:ARCHITECTURE=SUITE        prints the version the suite has
#   debian-packages.sh --refresh                                   forgets the lists (the next call fetches them anew)
#
# A private apt root under the cache directory does it: the machine's own apt state stays as it is and no privilege is
# needed. The mirrors are the ones that the machine's own sources name; ROOST_DEBIAN_MIRROR and
# ROOST_DEBIAN_SECURITY_MIRROR replace them, for machines that are not Debian.
set -euo pipefail

cache=${ROOST_CACHE:-$HOME/.cache/roost}
root=$cache/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() { printf 'debian-packages: %s\n' "$*" >&2; exit 1; }

# The first mirror among the machine's sources whose suite matches a pattern; other vendors' repositories are passed over.
host_mirror() {
  # shellcheck disable=SC2016 # apt replaces these names, not the shell
  apt-get indextargets --no-release-info --format '$(LABEL)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -F'|' -v suite="$1" '$2 ~ suite && $3 == "main" && ($1 ~ /^Debian/ || $1 ~ /^\$/) { print $4; exit }'
}

write_sources() {
  command -v apt-get >/dev/null || die "needs apt-get: run it on Debian, or in a Debian container"
  [ -r $keyring ] || die "$keyring is missing: apt-get install debian-archive-keyring"
  local main security codename
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  main=${ROOST_DEBIAN_MIRROR:-$(host_mirror "^($codename|stable|testing|sid)$")}
  security=${ROOST_DEBIAN_SECURITY_MIRROR:-$(host_mirror '-security$')}
  [ -n "$main" ] || die "no Debian mirror in the machine's apt sources: set ROOST_DEBIAN_MIRROR"
  [ -n "$security" ] || security=${main%/}-security
  mkdir -p "$root"/etc/apt/{preferences.d,apt.conf.d,sources.list.d} "$root"/var/lib/{apt/lists/partial,dpkg} \
    "$root"/var/cache/apt/archives/partial
  : >"$root/var/lib/dpkg/status"
  {
    echo "deb [arch=amd64,arm64 signed-by=$keyring] $main bookworm main"
    echo "deb [arch=amd64,arm64 signed-by=$keyring] $security bookworm-security main"
  } >"$root/etc/apt/sources.list"
}

in_root() {
  local command=$1
  shift
  "$command" -q -o Dir="$root" -o Dir::Etc="$root/etc/apt" -o Dir::State="$root/var/lib/apt" \
    -o Dir::State::status="$root/var/lib/dpkg/status" -o Dir::Cache="$root/var/cache/apt" \
    -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin -o APT::Architecture=amd64 \
    -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User="$(id -un)" \
    -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

ensure_lists() {
  [ ! -e "$root/lists-complete" ] || return 0
  write_sources
  if ! in_root apt-get update >"$root/update.log" 2>&1 || grep -q '^[EW]: Failed to fetch' "$root/update.log"; then
    die "cannot read the package lists: $(grep '^[EW]:' "$root/update.log" | head -n 1)"
  fi
  touch "$root/lists-complete"
}

# The newest version of PACKAGE:ARCH in SUITE (its security suite included) that starts with a prefix.
version_of() {
  in_root apt-cache madison "$1" 2>/dev/null | tr -d ' ' | awk -F'|' -v suite="$2" -v prefix="$3" \
    '$3 ~ suite "(-security)?/main" && index($2, prefix) == 1 { print $2 }' | sort -V | tail -n 1
}

# Splits PACKAGE:ARCH=SUITE@UPSTREAM into name, suite, upstream and version.
parse() {
  name=${1%%=*} suite=${1#*=} upstream=
  case $suite in *@*) upstream=${suite#*@} suite=${suite%%@*} ;; esac
  version=$(version_of "$name" "$suite" "$upstream")
  [ -n "$version" ] || die "$suite has no $name $upstream"
}

download() {
  local file
  parse "$1"
  file=$cache/debs/${name%%:*}_${version//:/%3a}_${name##*:}.deb
  if [ ! -s "$file" ] && ! find "$cache/debs" -name "${name%%:*}_${version//:/%3a}_all.deb" | grep -q .; then
    (cd "$cache/debs" && in_root apt-get download "$name=$version" >"$root/download.log" 2>&1) ||
      die "cannot download $name $version: $(grep '^[EW]:' "$root/download.log" | head -n 1)"
  fi
  find "$cache/debs" -name "${name%%:*}_${version//:/%3a}_*.deb" \( -name "*_${name##*:}.deb" -o -name '*_all.deb' \)
}

mkdir -p "$cache/debs"
# One writer at a time: several builds may share the cache.
exec 9>"$cache/debs/.lock"
flock 9
case ${1:?what to download} in
  --refresh) rm -f "$root/lists-complete" ;;
  --depends) ensure_lists; parse "$2"
    in_root apt-cache show "$name=$version" | sed -n 's/^Depends: //p' | head -n 1 | tr ',' '\n' | awk '{ print $1 }' ;;
  --version) ensure_lists; parse "$2"; echo "$version" ;;
  *) ensure_lists; for wanted in "$@"; do download "$wanted"; done ;;
esac
