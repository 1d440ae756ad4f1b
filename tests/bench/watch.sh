#!/usr/bin/env bash
# How soon `watch --web` answers on very many runs, while it makes its pages, and how soon a browser shows them.
#
#   tests/bench/watch.sh [RESULTS]     without it a sweep of the study planted, of 100,000 runs
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
results=${1:-}
program=$root/build/palimpsest
scratch=$(mktemp -d); watch=
trap '[[ -z "$watch" ]] || kill "$watch" 2>/dev/null; rm -rf "$scratch"' EXIT

if [[ -z "$results" ]]; then
  results=$scratch/many
  "$program" sweep "$root/sweeps/definitions/planted.toml" --out "$results" --set sweep.image_sets=1250 --set sweep.seeds=20 >"$scratch/log" 2>&1 || { tail -n 5 "$scratch/log" >&2; exit 1; }
fi
"$program" watch "$results" --web >"$scratch/watch.log" 2>&1 & watch=$!
until grep -q "/ shows" "$scratch/watch.log"; do kill -0 "$watch"; sleep 0.1; done
page=$(grep -o 'http://127.0.0.1:[0-9]*/' "$scratch/watch.log")

slowest() {   # of its answers to 20 requests
  for _ in $(seq 20); do curl -s -o /dev/null -w '%{time_total}\n' "$page$1"; sleep 0.05; done | sort -g | tail -n 1
}
for path in "" made.json status.json claims.html report.html; do printf '/%s: %s s at most, while pages are made\n' "$path" "$(slowest "$path")"; done
until curl -s "${page}made.json" | grep -q report; do sleep 0.2; done
curl -s -o "$scratch/report.html" -w 'the report is there: answered in %{time_total} s, %{size_download} bytes\n' "${page}report.html"
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
[[ -n "$chromium" ]] || { echo "no Chromium on PATH: not tried in a browser"; exit 0; }
begin=$(date +%s.%N)
"$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$scratch/profile" --virtual-time-budget=10000 --dump-dom "$page" >"$scratch/shown.html" 2>/dev/null
grep -q 'data-shown="yes"' "$scratch/shown.html" && printf 'Chromium: %.1f s, its own start among it\n' "$(echo "$(date +%s.%N) - $begin" | bc)"
