#!/usr/bin/env bash
# Runs a Python test in the environment of tests/peers, or skips it (exit code 77) with the reason.   tests/peers/run.sh FILE.py
set -euo pipefail
if [ ! -x "${PALIMPSEST_PYTHON:-}" ]; then
  echo "skipped: ${PALIMPSEST_NO_PYTHON:-PALIMPSEST_PYTHON is not set to the Python of tests/peers/environment.sh (tests/run.sh does it)}"
  exit 77
fi
exec "$PALIMPSEST_PYTHON" -B "$@"
