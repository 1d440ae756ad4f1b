#!/usr/bin/env bash
# Pretraining of a masked autoencoder in one thread: images a second of processor time beside PyTorch eager and torch.compile with the same model, in turn A B C C B A.
#
#   PALIMPSEST_DATA=DIR PALIMPSEST_PYTHON=PYTHON tests/bench/pretraining.sh [micro|tiny] [batch] [steps]
#
# Ours reads photographs, cuts crops and draws masks as it trains; the others train on one batch that lies in memory.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
size=${1:-micro} batch=${2:-64} steps=${3:-40}
for name in PALIMPSEST_DATA PALIMPSEST_PYTHON; do
  [ -n "${!name:-}" ] || { echo "skipped: $name is not set"; exit 77; }
done
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
export OMP_NUM_THREADS=1

train() { # steps
  rm -rf "$scratch/out"
  "$root/build/palimpsest" pretrain "$root/sweeps/definitions/slow-micro.toml" --out "$scratch/out" --set model.size="$size" --set images.source=folder \
    --set images.path="$PALIMPSEST_DATA/photos/train" --set training.batch="$batch" --set training.steps="$1" --set training.warmup_steps=10 \
    --set validation.every=1000000 >"$scratch/log" 2>&1
}
processor_seconds() { local TIMEFORMAT='%U %S'; { time train "$1"; } 2>&1 | awk '{ print $1 + $2 }'; }
ours() { # what the steps after the first ten take, crops and all
  local few all
  few=$(processor_seconds 10) all=$(processor_seconds $((steps + 10)))
  awk -v few="$few" -v all="$all" -v images=$((steps * batch)) 'BEGIN { print images / (all - few) }'
}
peer() { "$PALIMPSEST_PYTHON" "$root/tests/bench/pretraining_peer.py" "$1" "$size" "$batch" "$steps"; }

echo "load: $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) cores"
a1=$(ours); b1=$(peer eager); c1=$(peer compile); c2=$(peer compile); b2=$(peer eager); a2=$(ours)
awk -v s="$size" -v n="$batch" -v a1="$a1" -v a2="$a2" -v b1="$b1" -v b2="$b2" -v c1="$c1" -v c2="$c2" 'BEGIN {
  printf "%s, batch %d: %d %d images/s; eager %d %d (x%.2f); compile %d %d (x%.2f)\n", s, n, a1, a2, b1, b2, (a1 + a2) / (b1 + b2), c1, c2, (a1 + a2) / (c1 + c2) }'
sed -n 's/.*\(waited for images.*\)/\1/p' "$scratch/log"
