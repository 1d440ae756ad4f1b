#!/usr/bin/env bash
# Runs of the circuit beside its equations as dense PyTorch, one at a time: seconds of CPU a run on one core each, in turn A B B A.
#
#   PALIMPSEST_DATA=DIR PALIMPSEST_PYTHON=PYTHON tests/bench/circuit.sh [small|paper] [runs]
#
# small: whole runs of the size of sweeps/definitions/circuit.toml. paper: 8 x 8 hypercolumns of 64 features, a short course (dense, a whole run is
# hours). Ours measures everything the study declares, the dense version mean rates alone.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
size=${1:-small} runs=${2:-8}
for name in PALIMPSEST_DATA PALIMPSEST_PYTHON; do
  [ -n "${!name:-}" ] || { echo "skipped: $name is not set"; exit 77; }
done
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
images=$PALIMPSEST_DATA/photos/figure/images
case $size in
  small) side=26 orientations=4 frequencies="0.8 1.2" count=4 patterns=4 epochs=3 half=150 test=500 ;;
  paper) side=32 orientations=8 frequencies="0.5 0.8 1.2 1.6" count=2 patterns=1 epochs=1 half=50 test=100 ;;
  *) echo "there is no size $size: write small or paper" >&2; exit 2 ;;
esac
cat >"$scratch/sweep.toml" <<EOF
study = "circuit"
name = "bench"
images = { source = "folder", path = "$images", count = $count }
input = { side = $side }
filters = { orientations = $orientations, frequencies = [${frequencies// /, }] }
noise = { patterns = $patterns }
plasticity = { theta_count = $count }
training = { epochs = $epochs, half_ms = $half }
test = { ms = $test }
sweep = { image_sets = 2, seeds = $(( (runs + 1) / 2 )) }
EOF
runs=$(( (runs + 1) / 2 * 2 ))
export OMP_NUM_THREADS=1 TIMEFORMAT=%U

ours() { # seconds of CPU a run
  rm -rf "$scratch/out"
  { time taskset -c 0 "$root/build/palimpsest" sweep "$scratch/sweep.toml" --out "$scratch/out" >/dev/null 2>&1; } 2>&1 | awk -v n="$runs" '{ print $1 / n }'
}
dense() {
  taskset -c 0 "$PALIMPSEST_PYTHON" "$root/tests/bench/circuit_dense.py" "$images" --side "$side" --orientations "$orientations" --frequencies $frequencies \
    --count "$count" --patterns "$patterns" --epochs "$epochs" --half-ms "$half" --test-ms "$test" | awk '/SECONDS_PER_RUN/{print $2}'
}

a1=$(ours); b1=$(dense); b2=$(dense); a2=$(ours)
awk -v a1="$a1" -v a2="$a2" -v b1="$b1" -v b2="$b2" -v s="$size" -v load="$(cut -d' ' -f1 /proc/loadavg)" 'BEGIN {
  printf "%s: %.2f and %.2f s of CPU a run, %.0f runs an hour; dense: %.2f and %.2f s, %.0f an hour; ratio %.1f (load %s)\n",
         s, a1, a2, 7200 / (a1 + a2), b1, b2, 7200 / (b1 + b2), (b1 + b2) / (a1 + a2), load }'
