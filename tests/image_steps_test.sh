#!/usr/bin/env bash
# The steps of the container images, without an engine: Dockerfile's RUN lines, which are those of apptainer.def's %post, in the bare root of
# tests/fresh_machine.sh, one after the other, and then the program that they leave.
#
#   tests/image_steps_test.sh [STEP...]     default: all of them; as root, 30 minutes and 10 GB
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mapfile -t steps < <(sed -n 's/^RUN //p' "$root/cluster/Dockerfile")
mapfile -t same < <(sed -n '/^%post/,/^%environment/s/^ *\(cluster\/.*\)/\1/p' "$root/cluster/apptainer.def")
[ ${#steps[@]} -gt 0 ] || { echo "FAILED: cluster/Dockerfile has no RUN line"; exit 1; }
[ "${steps[*]}" = "${same[*]}" ] || { echo "FAILED: the steps differ: ${steps[*]} (cluster/Dockerfile), ${same[*]} (cluster/apptainer.def)"; exit 1; }

[ "$(id -u)" = 0 ] || { echo "skipped: a bare root is made and entered as root"; exit 77; }
command -v debootstrap >/dev/null || { echo "skipped: there is no debootstrap (apt-get install debootstrap)"; exit 77; }
unshare --mount --pid --fork true 2>/dev/null || { echo "skipped: namespaces are not allowed here"; exit 77; }
if [ $# -gt 0 ]; then exec "$root/tests/fresh_machine.sh" "$@"; fi
exec "$root/tests/fresh_machine.sh" "${steps[@]}" "palimpsest --version"
