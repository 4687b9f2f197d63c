#!/usr/bin/env bash
# Holds this folder to Buildroot's own checks: its style checker finds nothing, and every line of every board's configuration
# survives. BUILDROOT names a tree of the release that image.sh names.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
tree=${BUILDROOT:?names a tree of Buildroot}
"$here/../qemu/packages.sh" python3-magic flake8

cd "$here"
# The start scripts of overlay/ are our own init's, not Buildroot's; for these there are shellcheck and BusyBox (qemu/tests/scripts.rs).
git ls-files -z | grep -zv -e '^overlay/' -e '\.py$' | xargs -0 /usr/bin/python3 "$tree/utils/check-package" --br2-external --quiet
for config in configs/*.config; do
  board=$(basename "$config" .config)
  [ "$board" = common ] || { ./image.sh --check "$board" && ./image.sh --developer --check "$board"; }
done
