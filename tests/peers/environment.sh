#!/usr/bin/env bash
# The environment of the programs we are compared with; prints its folder. Once 5 GB and a few minutes, then at once.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
exec "$root/launch/environment.sh" peers "$root/tests/peers/requirements.txt" --no-deps
