#!/usr/bin/env bash
# Crops a second of processor time: this loader beside torchvision's pipeline and beside a full decode alone, in turn A B B A.
#
#   PALIMPSEST_DATA=DIR PALIMPSEST_PYTHON=PYTHON tests/bench/loader.sh [seconds each]
#
# Rows: from files, each decoded for each crop (stream); from shards of reduced images; from images in memory (training.hold = "memory").
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
seconds=${1:-3}
for name in PALIMPSEST_DATA PALIMPSEST_PYTHON; do
  [ -n "${!name:-}" ] || { echo "skipped: $name is not set"; exit 77; }
done
"$root/launch/build.sh" palimpsest loader_bench >/dev/null
photos=$PALIMPSEST_DATA/photos/train
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT

ours() { OMP_NUM_THREADS=1 taskset -c 0 "$root/build/tests/loader_bench" "$@" "$seconds"; }
peer() { OMP_NUM_THREADS=1 taskset -c 0 "$PALIMPSEST_PYTHON" "$root/tests/bench/loader_peer.py" "$1" "$photos" "$2" "$seconds"; }

# ROW NAME, then ours' arguments
row() {
  local name=$1 a1 a2 b1 b2 c1 c2 d1 d2 e1 e2; shift
  a1=$(ours "$@"); b1=$(peer torchvision "$side"); c1=$(peer pillow "$side"); d1=$(peer torchvision-io "$side"); e1=$(peer turbojpeg "$side")
  e2=$(peer turbojpeg "$side"); d2=$(peer torchvision-io "$side"); c2=$(peer pillow "$side"); b2=$(peer torchvision "$side"); a2=$(ours "$@")
  awk -v s="$side" -v n="$name" -v a1="$a1" -v a2="$a2" -v b1="$b1" -v b2="$b2" -v c1="$c1" -v c2="$c2" -v d1="$d1" -v d2="$d2" \
    -v e1="$e1" -v e2="$e2" 'BEGIN {
    a = a1 + a2
    printf "%3d px, %-7s %6.0f %6.0f crops/s; torchvision %5.0f %5.0f (x%.2f); full decode: Pillow %5.0f %5.0f (x%.2f), torchvision.io %5.0f %5.0f (x%.2f), turbojpeg %5.0f %5.0f (x%.2f)\n",
           s, n, a1, a2, b1, b2, a / (b1 + b2), c1, c2, a / (c1 + c2), d1, d2, a / (d1 + d2), e1, e2, a / (e1 + e2)
    printf "        at least twice torchvision: %s; at least twice turbojpeg: %s\n", a >= 2 * (b1 + b2) ? "yes" : "no", a >= 2 * (e1 + e2) ? "yes" : "no" }'
}

echo "load: $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) cores"
for side in 64 128 224; do
  "$root/build/palimpsest" images pack "$photos" --out "$scratch/$side" --side $((side * 3 / 2)) >/dev/null 2>&1
  row stream folder "$photos" stream "$side"
  row shards shards "$scratch/$side" stream "$side"
  row memory folder "$photos" memory "$side"
done
