#!/usr/bin/env bash
# Images a second of the four strategies of sharding beside PyTorch's DDP and FSDP2 over gloo: two ranks of one thread each, the same masked
# autoencoder, in turn A B B A.
#
#   PALIMPSEST_PYTHON=PYTHON tests/bench/sharding.sh [micro|tiny|small] [images in a batch] [steps]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
size=${1:-tiny} batch=${2:-32} steps=${3:-12}
[ -n "${PALIMPSEST_PYTHON:-}" ] || { echo "skipped: PALIMPSEST_PYTHON is not set"; exit 77; }
export OMP_NUM_THREADS=1
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
side=$([ "$size" = small ] && echo 224 || echo 64)
cat >"$scratch/definition.toml" <<TOML
[model]
size = "$size"
[images]
total = 40
side = $(( side * 3 / 2 ))
[validation]
every = 100000
[training]
batch = $batch
steps = $(( steps + 3 ))
TOML

ours() { # strategy -> images a second over the last steps
  rm -rf "$scratch/out"
  "$root/build/palimpsest" launch -n 2 pretrain "$scratch/definition.toml" --out "$scratch/out" --timeline "$scratch/timeline.json" \
    --set sharding.strategy="$1" >"$scratch/log" 2>&1
  "$PALIMPSEST_PYTHON" - "$scratch/timeline.json" "$batch" <<'PY'
import json, sys
updates = [e["ts"] for e in json.load(open(sys.argv[1])) if e["ph"] == "X" and e["name"] == "update" and e["pid"] == 0][2:]
print((len(updates) - 1) * int(sys.argv[2]) / (updates[-1] - updates[0]) * 1e6)
PY
}
peer() { # strategy -> images a second
  "$PALIMPSEST_PYTHON" -m torch.distributed.run --nproc-per-node 2 --master-port 29517 "$root/tests/bench/sharding_peer.py" \
    --strategy "$1" --size "$size" --batch "$batch" --steps "$steps" 2>/dev/null | awk '/IMAGES_PER_SECOND/{print $2}'
}
beside() { # ours, theirs
  local a1 b1 b2 a2
  a1=$(ours "$1"); b1=$(peer "$2"); b2=$(peer "$2"); a2=$(ours "$1")
  awk -v a1="$a1" -v a2="$a2" -v b1="$b1" -v b2="$b2" -v ours="$1" -v theirs="$2" 'BEGIN {
    printf "%-10s %6.1f and %6.1f images/s; %-6s %6.1f and %6.1f images/s; ratio %.2f\n", ours, a1, a2, theirs, b1, b2, (a1 + a2) / (b1 + b2) }'
}

echo "$size, batch of $batch over two ranks, load before: $(cut -d' ' -f1-3 /proc/loadavg)"
for strategy in none optimizer gradients; do beside "$strategy" ddp; done
beside full fsdp2
echo "load after: $(cut -d' ' -f1-3 /proc/loadavg)"
