#!/usr/bin/env bash
# How long training stands still for a checkpoint, beside torch.save and fsync of the same weights and moments: one process of one thread,
# one folder, in turn A B B A.
#
#   PALIMPSEST_PYTHON=PYTHON tests/bench/checkpoint.sh [micro|tiny|small] [folder to write into]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
size=${1:-tiny} where=${2:-${TMPDIR:-/tmp}}
[ -n "${PALIMPSEST_PYTHON:-}" ] || { echo "skipped: PALIMPSEST_PYTHON is not set"; exit 77; }
export OMP_NUM_THREADS=1
scratch=$(mktemp -d -p "$where"); trap 'rm -rf "$scratch"' EXIT
batch=$([ "$size" = small ] && echo 4 || echo 16)

ours() { # ms for each checkpoint: five, with four steps between them
  rm -rf "$scratch/out"
  "$root/build/palimpsest" pretrain "$root/sweeps/definitions/slow-micro.toml" --out "$scratch/out" --set model.size="$size" --set images.total=40 \
    --set training.batch="$batch" --set training.steps=20 --set training.warmup_steps=2 --set training.checkpoint_steps=4 \
    --set validation.every=1000000 2>&1 | sed -n 's/.*stood still \([0-9.]*\) ms.*/\1/p'
}
theirs() { # ms, the median of five
  "$PALIMPSEST_PYTHON" "$root/tests/bench/sharding_peer.py" --size "$size" --save "$scratch/peer.pt" | awk '/SAVE_MS/{print $2}'
}

load=$(cut -d' ' -f1 /proc/loadavg)
a1=$(ours); b1=$(theirs); b2=$(theirs); a2=$(ours)
awk -v s="$size" -v a1="$a1" -v a2="$a2" -v b1="$b1" -v b2="$b2" -v load="$load" 'BEGIN {
  printf "%s: training stands still %.2f and %.2f ms; torch.save and fsync %.1f and %.1f ms; ratio %.0f (load %s)\n", s, a1, a2, b1, b2, (b1 + b2) / (a1 + a2), load }'
