#!/usr/bin/env bash
# Sets up, builds and runs the tests.
#
#   tests/run.sh [ctest arguments]     e.g. -R Philox, -L peers; -L long for the ones that take hours, otherwise left out
#
#   PALIMPSEST_DATA=FOLDER    photographs to test with     PALIMPSEST_PEERS=FOLDER   programs to compare with
#   PALIMPSEST_MPI=site       the MPI of this machine instead of the environment's
# A test that needs what is not there is skipped; the reasons are listed at the end.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
launch/setup.sh
launch/build.sh

if peers=$(tests/peers/environment.sh); then export PALIMPSEST_PYTHON=$peers/bin/python
else export PALIMPSEST_NO_PYTHON="the environment of tests/peers/requirements.txt could not be made (its reason is in the output of tests/run.sh)"; fi

without=(-LE long)
[[ " $* " != *" -L long "* ]] || without=()
failed=0 cores=$(nproc)
ctest --test-dir build --parallel "$(( cores < 4 ? cores : 4 ))" --output-on-failure "${without[@]}" "$@" || failed=$?
tests/skipped.sh build/Testing/Temporary/LastTest.log
exit "$failed"
