#!/usr/bin/env bash
# Runs an hour and memory of familiarity packs of 1, 2, 4, 8 and 16 runs on one core. Fewer epochs than a study has, as the curve is what counts:
# the share of evaluations is then larger.
#
#   PALIMPSEST_DATA=DIR tests/bench/pack_size.sh WEIGHTS.safetensors HEADS [epochs] [pack sizes...]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[ -n "${PALIMPSEST_DATA:-}" ] || { echo "skipped: PALIMPSEST_DATA is not set"; exit 77; }
weights=$(realpath "$1") heads=$2 epochs=${3:-20}
sizes=("${@:4}"); [ "${#sizes[@]}" -gt 0 ] || sizes=(1 2 4 8 16)
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT

for size in "${sizes[@]}"; do
  cat >"$scratch/sweep.toml" <<TOML
study = "familiarity"
name = "bench"
slow = { weights = "$weights", heads = $heads }
images = { source = "folder", path = "$PALIMPSEST_DATA/photos/figure/images", count = 4 }
alignment = { centre = "set", reference = 0 }
training = { epochs = $epochs }
sweep = { image_sets = 1, seeds = $size }
packs = { size = $size }
TOML
  rm -rf "$scratch/out"
  start=$(date +%s.%N) peak=0
  taskset -c 0 "$root/build/palimpsest" sweep "$scratch/sweep.toml" --out "$scratch/out" >"$scratch/log" 2>&1 &
  while kill -0 $! 2>/dev/null; do
    now=$(awk '/VmHWM/{print $2}' "/proc/$!/status" 2>/dev/null || true)
    peak=${now:-$peak}
    sleep 0.1
  done
  wait $! || { cat "$scratch/log" >&2; exit 1; }
  awk -v a="$(date +%s.%N)" -v b="$start" -v n="$size" -v k="$peak" 'BEGIN {
    printf "packs of %2d: %7.1f runs/hour (%.2f s a run), peak memory %6.0f MiB, %5.0f MiB a run\n", n, 3600 * n / (a - b), (a - b) / n, k / 1024, k / 1024 / n }'
done
