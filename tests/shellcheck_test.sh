#!/usr/bin/env bash
# What shellcheck warns of in our scripts: nothing.   tests/shellcheck_test.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v shellcheck >/dev/null || { echo "skipped: there is no shellcheck (apt-get install shellcheck)"; exit 77; }
mapfile -t scripts < <(find cluster launch tests -name '*.sh')
[ ${#scripts[@]} -gt 20 ] || { echo "FAILED: only ${#scripts[@]} scripts were found"; exit 1; }
shellcheck --severity=warning "${scripts[@]}"
echo "${#scripts[@]} scripts"
