#!/usr/bin/env bash
# Packs of familiarity runs beside the same runs vmapped with torch.func (vmap.py): whole-run times on one core each, in turn A B B A.
#
#   PALIMPSEST_PEERS=DIR PALIMPSEST_DATA=DIR PALIMPSEST_PYTHON=PYTHON tests/bench/vmap.sh [micro|tiny] [runs in a pack] [epochs]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
size=${1:-micro} pack=${2:-8} epochs=${3:-100}
for name in PALIMPSEST_PEERS PALIMPSEST_DATA PALIMPSEST_PYTHON; do
  [ -n "${!name:-}" ] || { echo "skipped: $name is not set"; exit 77; }
done
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
images=$PALIMPSEST_DATA/photos/figure/images
sed '$d' "$PALIMPSEST_PEERS/familiarity_hf.py" >"$scratch/peer.py"   # without the call of its main
"$PALIMPSEST_PYTHON" "$PALIMPSEST_PEERS/familiarity_hf.py" --size "$size" --images "$images" --save-slow "$scratch/slow.safetensors"
cat >"$scratch/sweep.toml" <<TOML
study = "familiarity"
name = "bench"
slow = { weights = "slow.safetensors", heads = $([ "$size" = tiny ] && echo 3 || echo 4) }
images = { source = "folder", path = "$images", count = 4 }
alignment = { centre = "set", reference = 0 }
training = { epochs = $epochs }
sweep = { image_sets = 1, seeds = $pack }
packs = { size = $pack }
TOML

ours() { # seconds a run
  local start; start=$(date +%s.%N)
  rm -rf "$scratch/out"
  taskset -c 0 "$root/build/palimpsest" sweep "$scratch/sweep.toml" --out "$scratch/out" >/dev/null 2>&1
  awk -v a="$(date +%s.%N)" -v b="$start" -v n="$pack" 'BEGIN { print (a - b) / n }'
}
theirs() { taskset -c 0 "$PALIMPSEST_PYTHON" "$root/tests/bench/vmap.py" "$scratch/peer.py" --size "$size" --runs "$pack" --epochs "$epochs" --images "$images" --slow "$scratch/slow.safetensors" | awk '/SECONDS_PER_RUN/{print $2}'; }

a1=$(ours); b1=$(theirs); b2=$(theirs); a2=$(ours)
awk -v a1="$a1" -v a2="$a2" -v b1="$b1" -v b2="$b2" -v s="$size" -v p="$pack" 'BEGIN {
  printf "%s, packs of %d: %.2f and %.2f s a run; vmap: %.2f and %.2f s a run; ratio %.2f\n", s, p, a1, a2, b1, b2, (b1 + b2) / (a1 + a2) }'
