#!/usr/bin/env bash
# Fuzzes what reads bytes, with clang's libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   tests/fuzz.sh [SECONDS [TARGET...]]     seconds for each target (30 without it), first over its kept inputs in tests/fuzz/corpus; one a core
#
# Builds in build-fuzz/, beside the ordinary build. What it finds is left in build-fuzz/found/TARGET-*. Ends with 77 where clang is not there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
seconds=${1:-30}
shift || true

clang=$(command -v clang++ || command -v clang++-14 || true)
if [[ -z "$clang" ]]; then
  echo "skipped: fuzzing needs clang (apt-get install clang)"
  exit 77
fi
build=${PALIMPSEST_FUZZ_BUILD:-$root/build-fuzz}
mkdir -p "$build/found"
if ! { cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER="$clang" -DCMAKE_C_COMPILER="${clang/++/}" -DPALIMPSEST_SANITIZE=fuzzer &&
  cmake --build "$build" --parallel "$(nproc)" --target fuzzer; } >"$build/build.log" 2>&1; then
  tail -n 50 "$build/build.log" >&2
  exit 1
fi

targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || mapfile -t targets < <(cd tests/fuzz/corpus && ls)
fuzz() { # TARGET: its inputs, what was found; fails where something was
  local target=$1 failed=0 log=$build/$1.log runs
  mkdir -p "$build/corpus/$target"
  PALIMPSEST_FUZZ=$target "$build/tests/fuzzer" "$build/corpus/$target" "tests/fuzz/corpus/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 \
    -max_len=200000 -artifact_prefix="$build/found/$target-" -print_final_stats=1 >"$log" 2>&1 || failed=1
  runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
  echo "$target: ${runs:-0} inputs, $(find "$build/found" -name "$target-*" | wc -l) found"
  grep -E -m1 'ERROR|runtime error|broken promise|terminate called' "$log" || true
  return "$failed"
}
export -f fuzz
export build seconds
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'
