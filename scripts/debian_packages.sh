#!/bin/sh
# Installs the Debian or Ubuntu packages that the tests need and that are missing: make, python3-venv, chromium.
# With arguments, only the named ones. Exit status 1, with the remedy, where something cannot be installed.
set -eu

say() { printf 'eiwork: %s\n' "$*"; }

is_present() {
  case $1 in
    chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
    python3-venv) python3 -c 'import ensurepip, venv' ;;
    *) command -v "$1" ;;
  esac >/dev/null 2>&1
}

missing=
for package in "${@:-make python3-venv chromium}"; do
  for name in $package; do
    is_present "$name" || missing="$missing $name"
  done
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  as_root="sudo -n"
  if ! sudo -n true >/dev/null 2>&1; then
    say "missing:$missing. They need root: sudo apt-get install$missing" >&2
    exit 1
  fi
fi
if ! command -v apt-get >/dev/null 2>&1; then
  say "missing:$missing. This system has no apt-get: install them with its own package manager." >&2
  exit 1
fi
say "installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # the names are separate arguments
if ! { $as_root apt-get -qq update && $as_root apt-get -qq install --yes --no-install-recommends $missing >/dev/null; }; then
  say "apt-get could not install:$missing; its message is above. Try: sudo apt-get install$missing" >&2
  exit 1
fi
