#!/usr/bin/env bash
# Adapters added by products and by our kernel (sweep --fused-adapters) on a GPU: one map, forward and backward, over packs, ranks and widths.
#
#   cmake --build build --target palimpsest_cuda low_rank_bench; tests/bench/low_rank.sh
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
command -v nvidia-smi >/dev/null && nvidia-smi -L | grep -q GPU || { echo "skipped: there is no GPU here"; exit 77; }
for width in 192 768; do
  for runs in 1 16 64; do
    for rank in 4 8 16; do
      echo "$runs runs of 4 images of 197 tokens, $width wide, rank $rank"
      "$root/build/tests/low_rank_bench" "$runs" 788 "$width" "$width" "$rank"
    done
  done
done
