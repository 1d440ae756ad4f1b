#!/usr/bin/env bash
# The proof that a bare machine is enough: makes the smallest Debian 12 there is, with git, in a folder, clones this checkout
# into it, and runs the README's two commands there. By hand, as root, with Debian's debootstrap; takes 30 minutes and 10 GB.
#
#   tests/fresh_machine.sh [command...]     default: ./launch/demo.sh ./tests/run.sh
#   TMPDIR=FOLDER                           where the room is
#
# apt, pip, certificates and names are set up in it as on this machine; nothing else is carried over but what is committed.
set -euo pipefail
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
commands=("$@")
[ $# -gt 0 ] || commands=(./launch/demo.sh ./tests/run.sh)

say() { printf 'fresh machine: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }
timed() { # what, command...
  local what=$1 start=$SECONDS
  shift
  "$@" || fail "$what failed after $((SECONDS - start)) s"
  say "$what: $((SECONDS - start)) s"
}

make_root() {
  local mirror
  mirror=$(awk '/^URIs:/ { print $2; exit } /^deb / { for (i = 2; i <= NF; ++i) if ($i ~ /^http/) { print $i; exit } }' \
    /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || true)
  debootstrap --variant=minbase --include=ca-certificates,git bookworm "$bare" ${mirror:+"$mirror"} >"$bare.log" 2>&1 || { tail -n 5 "$bare.log"; return 1; }
}

copy_if_there() { [ ! -e "$1" ] || cp --recursive --dereference --remove-destination "$1" "$2"; }

configure_as_here() {
  local file
  rm -f "$bare/etc/apt/sources.list"
  copy_if_there /etc/apt/sources.list "$bare/etc/apt/"
  copy_if_there /etc/apt/sources.list.d/debian.sources "$bare/etc/apt/sources.list.d/"
  copy_if_there /etc/apt/auth.conf.d "$bare/etc/apt/"
  for file in $(grep -l -s '^ *Acquire' /etc/apt/apt.conf.d/* || true); do copy_if_there "$file" "$bare/etc/apt/apt.conf.d/"; done
  copy_if_there /etc/ssl/certs/ca-certificates.crt "$bare/etc/ssl/certs/"
  for file in /etc/pip.conf /etc/resolv.conf /etc/hosts; do copy_if_there "$file" "$bare/etc/"; done
}

# A command in the clone, with a clean environment. The mounts and the processes live in namespaces of their own: whatever
# happens, they are gone when it ends, and the folder can be removed.
inside() {
  local carried=()
  mapfile -t carried < <(env | grep -E '^(PIP_|SSL_CERT|REQUESTS_CA|CURL_CA|GIT_SSL|https?_proxy=|HTTPS?_PROXY=|no_proxy=|NO_PROXY=|PALIMPSEST_MPI=|PALIMPSEST_TORCH=)' | grep -v '^PIP_FIND_LINKS=')
  # shellcheck disable=SC2016  # expanded inside
  unshare --mount --pid --fork --kill-child bash -c '
    bare=$1 && shift
    mount --make-rprivate / && mount -t proc proc "$bare/proc" && mount --rbind /sys "$bare/sys" && mount --rbind /dev "$bare/dev"
    exec chroot "$bare" "$@"' inside "$bare" \
    /usr/bin/env -i HOME=/home PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb "${carried[@]}" \
    bash -c 'cd /home/palimpsest && eval "$1"' inside "$1"
}

[ "$(id -u)" -eq 0 ] || fail "this needs root, to make a file system and enter it. Run it with sudo."
command -v debootstrap >/dev/null || fail "there is no debootstrap. Install it: apt-get install debootstrap"
[ -z "$(git -C "$checkout" status --porcelain)" ] || say "note: what is not committed does not come along"

folder=$(mktemp -d -t palimpsest-fresh-XXXXXX)
trap 'rm -rf --one-file-system "$folder"' EXIT
bare=$folder/root
timed "a bare Debian" make_root
configure_as_here
git clone -q "$checkout" "$bare/home/palimpsest"
for command in "${commands[@]}"; do timed "$command" inside "$command"; done
say "all well: $(uname -m), $(nproc) cores, commit $(git -C "$checkout" rev-parse --short HEAD)"
