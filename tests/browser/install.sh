#!/usr/bin/env bash
# What the browser test needs: Node, Chromium and the packages of the lock file. Quiet when all is there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
packages=$here/../../qemu/packages.sh

has() { command -v "$1" >/dev/null; }
has node || "$packages" nodejs
node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' || {
  printf 'the browser test needs Node 18 or newer; this is %s\n' "$(node --version)" >&2
  exit 1
}
has npm || "$packages" npm
# npm writes this file last.
if [ "$here/package-lock.json" -nt "$here/node_modules/.package-lock.json" ]; then
  (cd "$here" && npm ci --no-audit --no-fund --loglevel=error >&2)
fi
if [ -z "${CHROMIUM:-}" ] && ! has chromium && ! has google-chrome; then
  # Ubuntu has no such package, only a snap; there Playwright brings its own build.
  "$packages" chromium || (cd "$here" && npx playwright-core install --with-deps chromium >&2)
fi
