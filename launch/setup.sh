#!/usr/bin/env bash
# Brings a Debian 12 machine to where Palimpsest builds: Debian's packages, and a virtual environment with LibTorch and Open MPI.
# Repeatable; says nothing and ends at once when there is nothing to do.
#
#   launch/setup.sh              PALIMPSEST_TORCH=cpu|cuda   the part of torch to install (default: cuda where nvidia-smi lists a device)
#                                PALIMPSEST_MPI=wheel|site   Open MPI 5 of the environment, or the MPI found on this machine (default: wheel)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

say() { printf 'setup: %s\n' "$*" >&2; }

missing_packages() {
  local package
  while read -r package; do
    [ -z "$package" ] || dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done <"$here/debian-packages.txt"
}

install_packages() {
  local missing as_root=()
  command -v dpkg-query >/dev/null || { say "this is not a Debian system; install by hand: $(tr '\n' ' ' <"$here/debian-packages.txt")"; return; }
  missing=$(missing_packages | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo)
    else say "these Debian packages are missing, and neither root nor sudo is at hand: $missing"; say "ask for: apt-get install $missing"; exit 1; fi
  fi
  say "installing Debian packages: $missing"
  "${as_root[@]}" apt-get update -qq
  # shellcheck disable=SC2086
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# The environment lives in the user's cache under the hash of what it holds, so a second checkout finds it made.
link_environment() {
  local part=${PALIMPSEST_TORCH:-} key folder fresh
  [ -n "$part" ] || { nvidia-smi -L >/dev/null 2>&1 && part=cuda || part=cpu; }
  key=$(cat "$here/requirements.txt" <(echo "$part") <(/usr/bin/python3 --version) | sha256sum | cut -c1-16)
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/palimpsest/venv-$part-$key
  if [ ! -e "$folder/complete" ]; then
    say "making the environment $folder ($part; half a minute to a few)"
    mkdir -p "$(dirname "$folder")"
    exec 9>"$folder.lock"; flock 9   # two checkouts at once: the second waits and finds it made
    if [ ! -e "$folder/complete" ]; then
      rm -rf "$folder"
      /usr/bin/python3 -m venv "$folder"
      if [ "$part" = cpu ]; then "$folder/bin/pip" install -q --disable-pip-version-check --no-deps -r "$here/requirements.txt"
      else "$folder/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"; fi
      touch "$folder/complete"
    fi
    exec 9>&-
  fi
  [ "$(readlink "$root/.venv" 2>/dev/null)" = "$folder" ] || ln -sfn "$folder" "$root/.venv"
}

install_packages
link_environment
