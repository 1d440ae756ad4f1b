#!/usr/bin/env bash
# One node of a multi-node parallel job of AWS Batch: brings the nodes' addresses and a key together in a folder they share; the first node then
# starts the ranks of all, with $HOSTFILE naming them, and the others serve until it is through.
#
#   aws-batch-node.sh SHARED SLOTS COMMAND...        COMMAND on the first node; "$HOSTFILE" in it is put in
#
# AWS Batch sets AWS_BATCH_JOB_ID (JOB#NODE), AWS_BATCH_JOB_ATTEMPT, AWS_BATCH_JOB_NODE_INDEX, _MAIN_NODE_INDEX and _NUM_NODES.
set -euo pipefail
shared=$1 slots=$2
shift 2
node=$AWS_BATCH_JOB_NODE_INDEX nodes=$AWS_BATCH_JOB_NUM_NODES first=${AWS_BATCH_JOB_MAIN_NODE_INDEX:-0}
meeting=$shared/.palimpsest-${AWS_BATCH_JOB_ID%%#*}-${AWS_BATCH_JOB_ATTEMPT:-1}
patience=${PALIMPSEST_MEETING_SECONDS:-600}
sshd=${PALIMPSEST_SSHD:-/usr/sbin/sshd}

wait_for() { # a file, or the others' words
  local deadline=$((SECONDS + patience))
  until eval "$1"; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "aws-batch-node: $2 within $patience s" >&2; exit 3; }
    sleep 1
  done
}

mkdir -p "$meeting"
if [ "$node" = "$first" ] && [ ! -e "$meeting/key" ]; then
  ssh-keygen -q -t ed25519 -N '' -f "$meeting/key.new" && mv "$meeting/key.new.pub" "$meeting/key.pub" && mv "$meeting/key.new" "$meeting/key"
fi
wait_for "[ -e '$meeting/key' ]" "the first node did not come"
mkdir -p ~/.ssh && chmod 700 ~/.ssh
cat "$meeting/key.pub" >>~/.ssh/authorized_keys
install -m 600 "$meeting/key" ~/.ssh/palimpsest
printf 'Host *\n  IdentityFile ~/.ssh/palimpsest\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n' >~/.ssh/config
$sshd
hostname -I | awk '{ print $1 }' >"$meeting/address-$node"

if [ "$node" != "$first" ]; then
  # Served until the first node is through, or has not been heard of for a while.
  until [ -e "$meeting/end" ]; do
    sleep 2
    [ $(($(date +%s) - $(stat -c %Y "$meeting/alive" 2>/dev/null || date +%s))) -lt 120 ] || exit 3
  done
  exit 0
fi

wait_for "[ \$(ls '$meeting'/address-* | wc -l) -eq $nodes ]" "not all $nodes nodes came"
export HOSTFILE=$meeting/hosts
cat "$meeting"/address-* | sed "s/\$/ slots=$slots/" >"$HOSTFILE"
(while sleep 10; do touch "$meeting/alive"; done) &
beat=$!
trap 'kill "$beat"; touch "$meeting/end"' EXIT   # however it ends, the others go home
code=0
(eval "$*") || code=$?
exit "$code"
