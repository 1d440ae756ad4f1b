#!/usr/bin/env bash
# From a bare machine to a report: sets up, builds, pretrains small slow weights on made images, sweeps fast-weight runs over
# them, and prints the verdicts. What is done already is not done again.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

step() { printf '\n== %s\n' "$*"; }

step "setting up and building"
launch/setup.sh
launch/build.sh palimpsest
start=$(date +%s)

if [ ! -e slow/micro/weights.safetensors ]; then
  step "pretraining slow weights on made images: slow/micro"
  build/palimpsest pretrain sweeps/definitions/slow-micro.toml --out slow/micro
fi

step "sweeping fast-weight runs over them on two workers: results/familiarity-demo"
build/palimpsest launch -n 2 sweep sweeps/definitions/familiarity-demo.toml --out results/familiarity-demo

step "what the runs say"
build/palimpsest report results/familiarity-demo
printf '\nAny browser opens it, without a network: file://%s, %d s after the build.\n' "$root/results/familiarity-demo/report.html" $(($(date +%s) - start))
