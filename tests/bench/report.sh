#!/usr/bin/env bash
# Time and memory of `report` on very many runs of the familiarity study: nine runs are computed, the others resemble them.
#
#   tests/bench/report.sh [image sets] [seeds] [RESULTS]     200 and 56 (100,800 runs) without them; RESULTS: made before, nothing is computed
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
sets=${1:-200} seeds=${2:-56} many=${3:-}
cmake --build "$root/build" --target palimpsest many_runs >/dev/null
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
trap 'tail -n 5 "$scratch/log" >&2' ERR
program=$root/build/palimpsest

if [[ -z "$many" ]]; then
  many=$scratch/many
  cd "$scratch"
  OMP_NUM_THREADS=1 "$program" pretrain "$root/sweeps/definitions/slow-micro.toml" --out slow --set training.steps=20 --set validation.every=1000 >log 2>&1
  asked=(--set slow.weights="$scratch/slow/weights.safetensors")
  OMP_NUM_THREADS=1 "$program" sweep "$root/sweeps/definitions/familiarity.toml" --out few --set sweep.image_sets=1 --set sweep.seeds=1 "${asked[@]}" >log 2>&1
  sed -e "s/^image_sets = .*/image_sets = $sets/" -e "s/^seeds      = .*/seeds = $seeds/" -e "s|^weights = .*|weights = \"$scratch/slow/weights.safetensors\"|" \
    "$root/sweeps/definitions/familiarity.toml" >many.toml
  "$root/build/tests/many_runs" few many.toml "$many"
fi
du -sh "$many/ledger.sqlite"
for _ in 1 2; do
  /usr/bin/time -f "report: %e s, of it %U s user and %S s system, at most %M kB" "$program" report "$many" --out "$scratch/report" >"$scratch/log"
done
du -sh "$scratch"/report/*.html 2>/dev/null || tail -n 3 "$scratch/log"
