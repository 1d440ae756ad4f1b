#!/usr/bin/env bash
# BCa intervals of 1,000 cells x 100 units x 9,999 resamples of the mean beside scipy.stats.bootstrap, one core each.
#
#   PALIMPSEST_PYTHON=PYTHON tests/bench/statistics.sh [cells]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[ -n "${PALIMPSEST_PYTHON:-}" ] || { echo "skipped: PALIMPSEST_PYTHON is not set"; exit 77; }
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
exec taskset -c 0 "$PALIMPSEST_PYTHON" "$root/tests/bench/statistics_peer.py" "$root/build/tests/statistics_numbers" --cells "${1:-1000}"
