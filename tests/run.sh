#!/usr/bin/env bash
# Sets up, builds and runs the tests.   tests/run.sh [ctest arguments, e.g. -L peers or -R Philox]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
launch/setup.sh
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
cmake --build build
ctest --test-dir build --output-on-failure -LE long "$@"
