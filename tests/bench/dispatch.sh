#!/usr/bin/env bash
# How fast runs that do nothing are handed out and written down for good, on two ranks: this program beside HyperQueue, Ray and a plain loop over
# SQLite; how much memory a waiting run takes; how long a large sweep takes to plan and to resume; rows of measurements a second.
#
#   tests/bench/dispatch.sh [runs] [runs of the large sweep]
#
# A run is one step of the study `planted` and leaves two measurements. The peers' tasks leave nothing but that they are done.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
runs=${1:-200000} large=${2:-10000000}
program=$root/build/palimpsest
"$root/launch/build.sh" palimpsest >/dev/null
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
export OMP_NUM_THREADS=1
echo "load: $(cut -d' ' -f1-3 /proc/loadavg), $(nproc --all) cores"

definition() { # NAME RUNS PACK SIZE
  cat >"$scratch/$1.toml" <<TOML
study = "planted"
name = "$1"
planted = { steps = 1, size = $4 }
packs = { size = $3 }
sweep = { image_sets = $(( $2 / 100 )), seeds = 100, max_runs = 100000000 }
TOML
}

measured() { # COMMAND: $seconds
  local start; start=$(date +%s.%N)
  "$@" >"$scratch/said" 2>&1 || { tail -5 "$scratch/said" >&2; return 1; }
  seconds=$(awk -v a="$(date +%s.%N)" -v b="$start" 'BEGIN { print a - b }')
}
per_second() { awk -v n="$1" -v s="$seconds" 'BEGIN { printf "%.0f", n / s }'; }
# From the first pack handed out to the last result.
ledger_seconds() { sqlite3 "file:$1/ledger.sqlite?mode=ro" "SELECT max(finished) - min(started) FROM every_attempt" 2>/dev/null ||
  python3 -c "import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT max(finished) - min(started) FROM every_attempt').fetchone()[0])" "$1/ledger.sqlite"; }

for pack in 64 1; do
  n=$(( pack == 64 ? runs : runs / 10 ))
  definition "packs-of-$pack" "$n" "$pack" 1
  measured "$program" launch -n 2 sweep "$scratch/packs-of-$pack.toml" --out "$scratch/out-$pack"
  whole=$seconds; seconds=$(ledger_seconds "$scratch/out-$pack")
  printf 'palimpsest, packs of %-2d  %8d runs  %7.0f durable runs/s at work (%.1f s; %.1f s from start to end)\n' "$pack" "$n" "$(per_second "$n")" "$seconds" "$whole"
done

definition rows "$(( runs / 20 ))" 64 100
measured "$program" launch -n 2 sweep "$scratch/rows.toml" --out "$scratch/out-rows"
seconds=$(ledger_seconds "$scratch/out-rows")
printf 'measurements             %8d      %7.0f measurements/s of 600 numbers and 1, synchronous = FULL: %.0f rows of the exported tables a second\n' "$(( runs / 10 ))" \
  "$(per_second "$(( runs / 10 ))")" "$(per_second "$(( runs / 20 * 601 ))")"

definition large "$large" 64 1
measured "$program" plan "$scratch/large.toml"
printf 'plan                     %8d runs  %7.2f s\n' "$large" "$seconds"
# The largest a process ever was, after four seconds at work, in bytes: what waits takes of it is told by the difference to a sweep of few runs.
largest_of() { # NAME SIZE: stopped within four seconds
  python3 - "$program" "$scratch/$1.toml" "$scratch/out-$1" <<'PY'
import resource, signal, subprocess, sys, time
process = subprocess.Popen([sys.argv[1], "sweep", sys.argv[2], "--out", sys.argv[3]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    process.wait(4)
except subprocess.TimeoutExpired:
    process.send_signal(signal.SIGTERM)
    process.wait()
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
PY
}
definition small 200000 64 1
small=$(largest_of small)
# Seconds from the command to the first pack that is in the ledger; then it is stopped within four, with a part of the runs done, and resumed.
for _ in 1 2; do
  start=$(date +%s.%N)
  bytes=$(largest_of large)
  awk -v a="$bytes" -v b="$small" -v n="$large" 'BEGIN { printf "memory                   %8d runs  %7.1f bytes a waiting run (%.0f MB, %.0f MB with 200000 runs)\n", n, (a - b) / n, a / 1e6, b / 1e6 }'
  python3 - "$scratch/out-large/ledger.sqlite" "$start" "$large" <<'PY'
import sqlite3, sys
ledger = sqlite3.connect(sys.argv[1])
epoch = ledger.execute("SELECT max(epoch) FROM sessions").fetchone()[0]
first, = ledger.execute("SELECT min(started) FROM every_attempt WHERE epoch = ?", (epoch,)).fetchone()
rows, = ledger.execute("SELECT count(*) FROM runs").fetchone()
if first is None:
    sys.exit("the large sweep was through before it was stopped: name more runs for it")
print(f"{'begun' if epoch == 1 else 'resumed':24} {int(sys.argv[3]):8} runs  {first - float(sys.argv[2]):7.2f} s to the first pack ({rows} rows when it was stopped)")
PY
done

environment=$("$root/launch/environment.sh" dispatch "$root/tests/bench/dispatch_requirements.txt") || { echo "skipped the peers: their environment cannot be made"; exit 0; }
for peer in sqlite ray hyperqueue; do "$environment/bin/python" "$root/tests/bench/dispatch_peer.py" "$peer" "$runs"; done
