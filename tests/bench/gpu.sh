#!/usr/bin/env bash
# On one GPU: a masked autoencoder of ViT-B/16 in bfloat16, images a second of the clock beside torch.compile with max-autotune, in turn A B B A, and its
# share of the rate of matrix products, measured in the same run; memory; one rank over NCCL, and two ranks that share the GPU over MPI: the same curve.
#
#   PALIMPSEST_PYTHON=PYTHON tests/bench/gpu.sh [batch] [steps] [size]
#
# Ours draws and cuts made images and masks as it trains; the other trains on one batch that lies in memory.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
batch=${1:-512} steps=${2:-60} size=${3:-base}
nvidia-smi >/dev/null 2>&1 || { echo "skipped: nvidia-smi finds no NVIDIA GPU here"; exit 77; }
[ -n "${PALIMPSEST_PYTHON:-}" ] || { echo "skipped: PALIMPSEST_PYTHON is not set to a Python with a CUDA build of torch"; exit 77; }
"$PALIMPSEST_PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || { echo "skipped: torch of $PALIMPSEST_PYTHON sees no GPU"; exit 77; }
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT

train() { # NAME, ranks, then words of pretrain
  local name=$1 ranks=$2; shift 2
  "$root/build/palimpsest" launch --oversubscribe -n "$ranks" pretrain "$root/sweeps/definitions/slow-micro.toml" --out "$scratch/$name" --device cuda \
    --set model.size="$size" --set images.total=1024 --set training.batch="$batch" --set training.steps="$steps" --set training.warmup_steps=10 \
    --set training.precision=bfloat16 --set training.checkpoint_minutes=0 --set validation.count=16 --set validation.every=1000000 "$@" >"$scratch/$name.log" 2>&1 ||
    { echo "FAILED: $name"; tail -n 5 "$scratch/$name.log"; exit 1; }
}
speed() { sed -n 's/.* \([0-9]*\) images\/s, \([0-9]*\) % of the rate of matrix products.*/\1 \2/p' "$scratch/$1.log" | tail -n 1; }
peer() { "$PALIMPSEST_PYTHON" "$root/tests/bench/pretraining_peer.py" max-autotune "$size" "$batch" "$steps" cuda | tr '\n' ' '; }
memory() { # the most that the GPU held while a command ran, MiB
  nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits --loop-ms=200 >"$scratch/memory" &
  local watch=$!
  "$@"
  kill "$watch"; wait "$watch" 2>/dev/null || true
  sort -n "$scratch/memory" | tail -n 1
}
furthest() { # two runs' losses: the largest relative difference
  paste -d, "$scratch/$1/losses.csv" "$scratch/$2/losses.csv" |
    awk -F, 'NR > 1 { d = $2 / $6 - 1; if (d < 0) d = -d; if (d > most) most = d } END { printf "%.1e", most }'
}

nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
ours_memory=$(memory train first 1)
a1=$(speed first); b1=$(peer); b2=$(peer); train second 1; a2=$(speed second)
echo "$a1 $a2 $b1 $b2" | awk -v s="$size" -v n="$batch" '{
  printf "%s, batch %d: %d %d images/s, %d %d %% of the rate of matrix products; max-autotune %d %d images/s (x%.2f), %s %s\n", s, n, $1, $3, $2, $4, $5, $8, ($1 + $3) / ($5 + $8), $6, $7 }'
echo "memory of the GPU, ours: $ours_memory MiB at most"
train nccl 1 --communicator nccl
train two 2 --communicator mpi
echo "one rank over NCCL: losses within $(furthest nccl first) of those without; two ranks that share the GPU over MPI: within $(furthest two first)"
