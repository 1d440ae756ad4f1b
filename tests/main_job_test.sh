#!/usr/bin/env bash
# The main job on a small model: pretraining, then one sweep on 1, 2 and 3 ranks and in packs of 1, 4 and 16, which must export the same bytes.
#   tests/main_job_test.sh PALIMPSEST
set -euo pipefail
palimpsest=$1
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

cat >slow.toml <<'EOF'
model = { size = "micro", width = 32, depth = 2, heads = 2, side = 32, decoder_width = 32, decoder_depth = 1, decoder_heads = 2 }
objective = { name = "masked-autoencoder" }
images = { source = "dead-leaves", total = 40, side = 48 }
training = { steps = 12, batch = 8, warmup_steps = 2 }
EOF
cat >sweep.toml <<'EOF'
study = "familiarity"
name = "main job"
slow = { weights = "slow/weights.safetensors" }
images = { source = "dead-leaves", total = 20, count = 2, side = 48 }
alignment = { reference = 8 }
noise = { levels = [0, 0.3], patterns = 2, side = 32 }
training = { epochs = 6, learning_rate = 1e-3 }
sweep = { image_sets = 4, seeds = 2, grid = { "fast.qkv" = ["adapter", "full"] } }
[[claim]]
name = "alignment grows"
metric = "alignment.specificity"
at = { layers = "early", noise = 0.3, images = "familiar" }
change = { epoch = [0, 6] }
treatment = { "fast.qkv" = "adapter" }
direction = "greater"
smallest_effect = 0.01
[[claim]]
name = "adapters align more, where both have learned as much"
metric = "alignment.specificity"
at = { layers = "early", noise = 0.3, images = "familiar" }
change = { epoch = [0, 6] }
treatment = { "fast.qkv" = "adapter" }
baseline = { "fast.qkv" = "full" }
matched = "loss"
direction = "greater"
EOF

"$palimpsest" pretrain slow.toml --out slow >/dev/null
run() { # NAME PACK LAUNCHER...: a sweep and its export
  local name=$1 pack=$2; shift 2
  { cat sweep.toml; printf '[packs]\nsize = %s\n' "$pack"; } >"$name.toml"
  "$@" "$palimpsest" sweep "$name.toml" --out "$name" >"$name.log" 2>&1 || { cat "$name.log"; echo "FAILED: $name"; exit 1; }
  "$palimpsest" export "$name" --out "tables-$name" >/dev/null
}
launch() { local ranks=$1; shift 2; "$palimpsest" launch --oversubscribe -n "$ranks" "$@"; }   # the program's own name is dropped: launch runs itself

run alone 1 env
for case in "four 4 1" "sixteen 16 1" "two_ranks 4 2" "three_ranks 1 3"; do
  read -r name pack ranks <<<"$case"
  if [ "$ranks" = 1 ]; then run "$name" "$pack" env; else run "$name" "$pack" launch "$ranks"; fi
  diff -r tables-alone "tables-$name" || { echo "FAILED: $name exports other bytes than one run at a time"; exit 1; }
done
[ "$(wc -l <tables-alone/loss.csv)" -eq $((1 + 16 * 6)) ] || { echo "FAILED: loss.csv has $(wc -l <tables-alone/loss.csv) lines"; exit 1; }
"$palimpsest" status alone | grep -q 16
"$palimpsest" report alone >/dev/null
grep -q "alignment grows" alone/report.html
if [ -n "${PALIMPSEST_PYTHON:-}" ]; then "$PALIMPSEST_PYTHON" "$tests/recompute_verdicts.py" alone tables-alone
else echo "not recomputed with scipy: PALIMPSEST_PYTHON is not set"; fi
echo "1, 2 and 3 ranks, and packs of 1, 4 and 16, exported the same $(du -sb tables-alone | cut -f1) bytes"
