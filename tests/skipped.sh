#!/usr/bin/env bash
# Lists what was skipped in a CTest log, with the reasons.   tests/skipped.sh LastTest.log
set -euo pipefail
# GoogleTest prints "file:line: Skipped" and the reason on the next line; the Python tests print "skipped: reason".
grep -A1 -h -E '^[^ ]+:[0-9]+: Skipped$|^skipped: ' "$1" 2>/dev/null |
  sed -n -e 's/^skipped: //p' -e '/^--$/d' -e '/: Skipped$/{n;p}' | sort | uniq -c | sed 's/^ *\([0-9]*\) /skipped (\1): /' || true
