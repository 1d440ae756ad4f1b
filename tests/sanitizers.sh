#!/usr/bin/env bash
# The tests of coordinator, ledger and file formats under ThreadSanitizer, then under AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   tests/sanitizers.sh [thread|address]     one of them
#
# Builds in build-thread/ and build-address/. They are parts that are free of LibTorch and MPI, which know nothing of sanitizers.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
kinds=("${1:-thread}")
[[ $# -gt 0 ]] || kinds=(thread address)
failed=0
for kind in "${kinds[@]}"; do
  build=$root/build-$kind
  tests=(coordinator_test ledger_test ledger_attempts_test ledger_export_test ledger_join_test ledger_open_test readings_test committer_test simulation_test)
  [[ $kind == thread ]] || tests+=(ledger_damage_test fuzz_corpus_test safetensors_test checkpoint_test shards_test image_test settings_test definition_test definition_mistakes_test)
  mkdir -p "$build"
  if ! { cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPALIMPSEST_SANITIZE="$kind" &&
    cmake --build "$build" --parallel "$(nproc)" --target "${tests[@]}"; } >"$build/build.log" 2>&1; then
    tail -n 50 "$build/build.log" >&2
    exit 1
  fi
  for name in "${tests[@]}"; do
    # A report of a sanitizer ends a test with 66.
    if TSAN_OPTIONS=exitcode=66 ASAN_OPTIONS=exitcode=66 UBSAN_OPTIONS=halt_on_error=1:exitcode=66 "$build/tests/$name" >"$build/$name.log" 2>&1; then
      echo "$kind: $name passes ($(grep -c '^\[       OK' "$build/$name.log") tests)"
    else
      echo "$kind: $name FAILS; see $build/$name.log"
      failed=1
    fi
  done
done
exit "$failed"
