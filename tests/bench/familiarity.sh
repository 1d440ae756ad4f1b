#!/usr/bin/env bash
# Packs of familiarity runs beside one run at a time with transformers and peft: whole-run times on one core each, in turn A B B A.
#
#   PALIMPSEST_PEERS=DIR PALIMPSEST_DATA=DIR PALIMPSEST_PYTHON=PYTHON tests/bench/familiarity.sh [micro|tiny] [runs in a pack] [epochs]
#
# Same images, same weights, same epochs, noise and measurements.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
size=${1:-micro} pack=${2:-8} epochs=${3:-100}
for name in PALIMPSEST_PEERS PALIMPSEST_DATA PALIMPSEST_PYTHON; do
  [ -n "${!name:-}" ] || { echo "skipped: $name is not set"; exit 77; }
done
heads=$([ "$size" = tiny ] && echo 3 || echo 4)
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
images=$PALIMPSEST_DATA/photos/figure/images
cp "$PALIMPSEST_PEERS/familiarity_hf.py" "$scratch/peer.py"
"$PALIMPSEST_PYTHON" "$scratch/peer.py" --size "$size" --images "$images" --save-slow "$scratch/slow.safetensors"
cat >"$scratch/sweep.toml" <<EOF
study = "familiarity"
name = "bench"
slow = { weights = "slow.safetensors", heads = $heads, readout = "cls" }
images = { source = "folder", path = "$images", count = 4 }
alignment = { centre = "set", reference = 0 }
training = { epochs = $epochs }
evaluation = { readouts = ["cls"], metrics = ["loss", "alignment.cosine", "alignment.other", "alignment.specificity", "alignment.pearson_sorted", "alignment.centred", "manifold",
  "attention.scope", "attention.half_max_area", "sparseness", "activity.mean", "probe"] }
sweep = { image_sets = $(( pack >= 4 ? 4 : pack )), seeds = $(( pack >= 4 ? pack / 4 : 1 )) }
packs = { size = $pack }
EOF
runs=$(( pack >= 4 ? pack / 4 * 4 : pack ))

ours() { # seconds a run
  local start; start=$(date +%s.%N)
  rm -rf "$scratch/out"
  taskset -c 0 "$root/build/palimpsest" sweep "$scratch/sweep.toml" --out "$scratch/out" >/dev/null 2>&1
  awk -v a="$(date +%s.%N)" -v b="$start" -v n="$runs" 'BEGIN { print (a - b) / n }'
}
peer() { taskset -c 0 "$PALIMPSEST_PYTHON" "$scratch/peer.py" --size "$size" --runs 1 --epochs "$epochs" --threads 1 --images "$images" --slow "$scratch/slow.safetensors" --out "$scratch/rows.csv" 2>&1 | awk '/SECONDS_PER_RUN/{print $2}'; }

a1=$(ours); b1=$(peer); b2=$(peer); a2=$(ours)
awk -v a1="$a1" -v a2="$a2" -v b1="$b1" -v b2="$b2" -v s="$size" -v p="$runs" 'BEGIN {
  printf "%s, packs of %d: %.2f and %.2f s a run; peer: %.2f and %.2f s a run; ratio %.2f\n", s, p, a1, a2, b1, b2, (b1 + b2) / (a1 + a2) }'
