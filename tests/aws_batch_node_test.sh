#!/usr/bin/env bash
# Nodes of a multi-node job meet: the first gets the addresses of all, all end with it, and one that is left alone does not wait for ever.
#   tests/aws_batch_node_test.sh cluster/aws-batch-node.sh
set -euo pipefail
script=$(realpath "$1")
command -v ssh-keygen >/dev/null || { echo "skipped: there is no ssh-keygen (openssh-client)"; exit 77; }
folder=$(mktemp -d -t palimpsest-meeting-XXXXXX)
trap 'rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

node() { # number, of how many, job, command
  mkdir -p "$folder/home$1"
  HOME=$folder/home$1 PALIMPSEST_SSHD=true PALIMPSEST_MEETING_SECONDS=${patience:-60} AWS_BATCH_JOB_ID="$3#$1" AWS_BATCH_JOB_NODE_INDEX=$1 \
    AWS_BATCH_JOB_MAIN_NODE_INDEX=0 AWS_BATCH_JOB_NUM_NODES=$2 "$script" "$folder" 4 "$4"
}

node 1 3 a false >"$folder/1" 2>&1 &
one=$!
node 2 3 a false >"$folder/2" 2>&1 &
two=$!
code=0
# shellcheck disable=SC2016  # the script puts it in
node 0 3 a 'grep -c "slots=4" "$HOSTFILE"; exit 3' >"$folder/0" 2>&1 || code=$?
[ "$code" = 3 ] || fail "the first node ended with $code, not with what its command ended with"
[ "$(cat "$folder/0")" = 3 ] || fail "the hostfile does not name three hosts: $(cat "$folder/0")"
wait "$one" || fail "node 1 did not end well: $(cat "$folder/1")"
wait "$two" || fail "node 2 did not end well: $(cat "$folder/2")"

code=0
patience=2 node 0 3 b true >"$folder/alone" 2>&1 || code=$?
[ "$code" = 3 ] || fail "a node that is left alone ended with $code"
grep -q "not all 3 nodes came" "$folder/alone" || fail "a node that is left alone does not say so: $(cat "$folder/alone")"
echo "three nodes met and left together"
