#!/bin/sh
# Unpacks one folder of a distribution package into a directory: fetch.sh source|binary PACKAGE FOLDER DESTINATION
#
# Works without root and without touching the machine's own package lists: it keeps lists of its own in the cache, derived
# from the machine's configured package sources, with source packages added.
set -eu

kind=$1 package=$2 folder=$3 destination=$4
cache=$(dirname "$destination")
root=$cache/.apt
mkdir -p "$root/parts" "$root/lists/partial" "$root/archives/partial"
exec 9>"$root/lock"
flock 9
[ -d "$destination" ] && exit 0

work=$(mktemp -d "$cache/.unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT

apt() {
    program=$1
    shift
    "$program" -q -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$root/parts" -o Dir::State::lists="$root/lists" \
        -o Dir::Cache="$root" -o Dir::Cache::archives="$root/archives" -o APT::Sandbox::User=root -o Acquire::Retries=3 \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::Languages=none "$@"
}

# The distribution's own package sources, those that name its release, with `deb-src` beside `deb`.
derive_sources() {
    # shellcheck source=/dev/null
    . /etc/os-release
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        grep -qs " $VERSION_CODENAME\\b" "$file" || continue
        case $file in
            *.sources) sed 's/^Types:.*/Types: deb deb-src/' "$file" >"$root/parts/$(basename "$file")" ;;
            *) sed -n 's/^deb \(.*\)/deb \1\ndeb-src \1/p' "$file" >"$root/parts/$(basename "$file" .list).list" ;;
        esac
    done
}

download() {
    case $kind in
        source) (cd "$work" && apt apt-get source --tar-only --download-only "$package") ;;
        binary)
            # `python3-` in a name stands for the release's own version of Python, `python3.11-` for one.
            python=$(apt apt-cache depends python3 | sed -n 's/.*Depends: \(python3\.[0-9]*\)$/\1/p' | head -n 1)
            (cd "$work" && apt apt-get download "$(echo "$package" | sed "s/python3-/$python-/")")
            ;;
    esac
}

if ! [ -e "$root/updated" ] || ! download 2>/dev/null; then
    derive_sources
    apt apt-get update && touch "$root/updated"
    download
fi

mkdir "$work/tree"
case $kind in
    source)
        for archive in "$work"/*.tar.*; do
            case $archive in *.asc) continue ;; esac
            tar -xf "$archive" -C "$work/tree" --strip-components=1
        done
        ;;
    binary) dpkg-deb -x "$work"/*.deb "$work/tree" ;;
esac
# The folder may contain a pattern.
# shellcheck disable=SC2086
set -- "$work/tree"/$folder
[ -d "$1" ] || { echo "$package: no folder $folder" >&2; exit 1; }
mv "$1" "$destination"
