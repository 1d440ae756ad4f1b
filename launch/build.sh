#!/usr/bin/env bash
# Configures and builds in build/, after launch/setup.sh.   launch/build.sh [target...]   (default: everything, tests too)
#   PALIMPSEST_MPI=wheel|site   as in launch/setup.sh
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
log=build/configure.log

mkdir -p build
if ! cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPALIMPSEST_MPI="${PALIMPSEST_MPI:-wheel}" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
sed -n 's/^-- Palimpsest: /build: /p' "$log"
targets=("$@")
cmake --build build --parallel "$(nproc)" ${targets:+--target "${targets[@]}"}
