#!/usr/bin/env bash
# The steps of a container image, on a bare Debian 12, as root: cluster/Dockerfile and cluster/apptainer.def both run this.
#
#   cluster/image.sh packages    what is installed from Debian, sshd for worlds over several containers included
#   cluster/image.sh program     LibTorch, Open MPI, the program (PALIMPSEST_TORCH=cpu|cuda, as in launch/setup.sh)
#   cluster/image.sh sshd        lets other containers start ranks in this one (Kubernetes' MPI Operator mounts the key)
#   cluster/image.sh clean       what only building needed
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

packages() {
  apt-get update -qq
  # shellcheck disable=SC2046  # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openssh-server openssh-client iproute2 $(cat "$root/launch/debian-packages.txt")
}

program() {
  export XDG_CACHE_HOME=/opt/palimpsest/cache
  "$root/launch/setup.sh"
  "$root/launch/build.sh" palimpsest
  ln -sf "$root/build/palimpsest" "$root/cluster/aws-batch-node.sh" /usr/local/bin/
  palimpsest --version
}

# Keys are mounted with other owners and modes than sshd likes, and there is no PAM session without root.
sshd() {
  mkdir -p /run/sshd
  ssh-keygen -A
  printf 'StrictModes no\nUsePAM no\nPasswordAuthentication no\nMaxStartups 256\n' >/etc/ssh/sshd_config.d/palimpsest.conf
  printf 'Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n' >/etc/ssh/ssh_config.d/palimpsest.conf
  /usr/sbin/sshd -t
}

clean() { rm -rf /var/lib/apt/lists/* "$root/build/CMakeFiles" /home/*/.cache/ccache; }

case ${1:-} in
  packages | program | sshd | clean) "$1" ;;
  *) sed -n '2,/^set -/{/^set -/!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
