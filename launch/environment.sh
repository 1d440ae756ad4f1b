#!/usr/bin/env bash
# Makes a Python environment where there is none yet, and prints its folder.
#
#   launch/environment.sh NAME REQUIREMENTS [pip option...]
#
# It lives in the user's cache under the hash of what it holds, so that a second checkout finds it made. It counts only with the
# file `complete` in it: one without is from an interrupted set-up and is made again.
set -euo pipefail
name=$1 requirements=$2
shift 2

say() { printf 'setup: %s\n' "$*" >&2; }

[ -x /usr/bin/python3 ] || { say "there is no /usr/bin/python3. Install Debian's python3 and python3-venv."; exit 1; }
key=$({ cat "$requirements"; echo "$name"; /usr/bin/python3 --version; } | sha256sum | cut -c1-16)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/palimpsest/venv-$name-$key
if [ ! -e "$folder/complete" ]; then
  mkdir -p "$(dirname "$folder")"
  exec 9>"$folder.lock"
  flock 9  # of two checkouts at once the second waits, and finds it made
fi
if [ ! -e "$folder/complete" ]; then
  say "making the environment $folder (half a minute to a few)"
  rm -rf "$folder"
  /usr/bin/python3 -m venv "$folder" >&2
  "$folder/bin/pip" install -q --disable-pip-version-check "$@" -r "$requirements" >&2 || {
    say "pip could not install what $requirements lists: its reason is above. It needs a Python package index, and room in $folder."
    exit 1
  }
  touch "$folder/complete"
fi
echo "$folder"
