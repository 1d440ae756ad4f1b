#!/usr/bin/env bash
# Claims about launch/setup.sh, tried in a copy of launch/ with made-up `id`, `dpkg-query` and `sudo` before the real ones.
set -euo pipefail
launch=$(cd "$(dirname "${BASH_SOURCE[0]}")/../launch" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/launch" "$copy/bin"
cp "$launch"/*.sh "$launch"/*.txt "$copy/launch/"
failures=0

pretend() { printf '#!/bin/sh\n%s\n' "$2" >"$copy/bin/$1" && chmod +x "$copy/bin/$1"; }
# shellcheck disable=SC2120  # `expect` hands it its words
setup() { env PATH="$copy/bin:$PATH" "$@" "$copy/launch/setup.sh" </dev/null 2>&1; }
expect() { # claim, exit code, a part of what is printed, command...
  local claim=$1 code=$2 part=$3 printed got=0
  shift 3
  printed=$("$@") || got=$?
  if [ "$got" -eq "$code" ] && [[ $printed == *"$part"* ]]; then
    echo "ok: $claim"
  else
    echo "FAILED: $claim: exit code $got, printed: $printed"
    failures=$((failures + 1))
  fi
}

expect "refuses an unknown MPI" 1 "PALIMPSEST_MPI=both, but it must be wheel" setup PALIMPSEST_MPI=both
expect "refuses an unknown part of torch" 1 "PALIMPSEST_TORCH=tpu, but it must be cpu or cuda" setup PALIMPSEST_TORCH=tpu

pretend id 'echo 1000'
pretend sudo 'exit 1'
pretend dpkg-query "grep -v '^libfmt-dev$' $copy/launch/debian-packages.txt | sed 's/\$/ installed/'"
expect "names what is missing where neither root nor sudo is at hand" 1 "apt-get install --no-install-recommends libfmt-dev" setup

pretend sudo "[ \"\$1\" = -n ] || echo \"\$*\" >>$copy/sudo.log"
expect "installs through sudo where it can" 0 "installing Debian packages" setup
expect "asks sudo for what is missing alone" 0 "--no-install-recommends -o DPkg::Lock::Timeout=300 libfmt-dev" cat "$copy/sudo.log"

pretend dpkg-query "sed 's/\$/ installed/' $copy/launch/debian-packages.txt"
expect "finds the environment that another checkout made" 0 "/palimpsest/venv-" readlink "$copy/.venv"
says_nothing() { [ -z "$(setup)" ]; }
expect "says nothing when there is nothing to do" 0 "" says_nothing

[ "$failures" -eq 0 ]
