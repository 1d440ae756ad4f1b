#!/usr/bin/env bash
# Simulated sweeps: events a second with all faults, and how near to the ideal 1,000 workers come with uneven runs.   tests/bench/simulation.sh [SEEDS]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
launch/build.sh simulation_bench >/dev/null
exec build/tests/simulation_bench "$@"
