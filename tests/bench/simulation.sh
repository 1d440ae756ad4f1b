#!/usr/bin/env bash
# Simulated sweeps: events a second with all faults, how near to the ideal 1,000 workers come with uneven runs, and what share of a core the
# coordinator takes with 1,000 to 100,000 workers.
#
#   tests/bench/simulation.sh [SEEDS]      PALIMPSEST_BENCH_FOLDER: where ledgers are written, on a disk (build/ without it)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
launch/build.sh simulation_bench coordinator_bench >/dev/null
build/tests/simulation_bench "$@"
folder=$(mktemp -d "${PALIMPSEST_BENCH_FOLDER:-build}/coordinator.XXXXXX")
trap 'rm -rf "$folder"' EXIT
build/tests/coordinator_bench "$folder" 1000 3000 10000 30000 100000
