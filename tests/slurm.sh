#!/usr/bin/env bash
# Sweeps and a pretraining under a real Slurm, called by tests/hosts.sh with a cluster of four nodes up: PALIMPSEST_PROGRAM, PALIMPSEST_TESTBED,
# TESTBED_DIR, HOSTS_SCRATCH. Each must come to the bytes of one process, whatever befell it.
#
#   tests/slurm.sh [EPISODES] [PART...]     default: 1 of what comes at a random moment; all parts
#     parts: allocation array requeue limit drain preempt pretrain cancel split (last: it leaves another MaxArraySize)
set -euo pipefail
program=$PALIMPSEST_PROGRAM
episodes=${1:-1}
shift $(($# > 1 ? 1 : $#))
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(allocation array requeue limit drain preempt pretrain cancel split)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$HOSTS_SCRATCH"
slurm() { "$PALIMPSEST_TESTBED/slurm" exec "$@"; }
say() { echo "slurm: $*"; }
failures=0
fail() { say "FAILED: $*"; failures=$((failures + 1)); }
submit() { slurm "$program" submit slurm --memory 0.3 "$@"; }   # nodes of the testbed claim 1 GB
export_of() { rm -rf "$1.tables" && "$program" export "${@:2}" --out "$1.tables" >/dev/null && (cd "$1.tables" && sha256sum ./*.csv); }
state_of() { slurm scontrol show job "$1" 2>/dev/null | sed -n 's/.*JobState=\([A-Z]*\).*/\1/p' | sort -u | tr '\n' ' '; }
jobs_of() { sed -n 's/^ *"\([0-9][0-9]*\)".*/\1/p' "$1/submitted.json"; }
done_runs() { "$program" status "$1" --json 2>/dev/null | sed -n '/"runs"/,/}/s/.*"done": \([0-9]*\).*/\1/p' | head -n 1; }

wait_for_runs() { # results, number
  local deadline=$((SECONDS + 240)) seen
  while seen=$(done_runs "$1"); [ "${seen:-0}" -lt "$2" ]; do
    [ "$SECONDS" -lt "$deadline" ] || { fail "$1 does not get going"; return 1; }
    sleep 0.5
  done
}
wait_for_outcome() { # results...
  local deadline=$((SECONDS + 420)) one
  for one in "$@"; do
    until grep -qs '^complete' "$one/outcome"; do
      [ "$SECONDS" -lt "$deadline" ] || { fail "$one is not complete: $(cat "$one"/outcome "$one"/slurm-*.log 2>/dev/null | tail -n 5)"; return; }
      sleep 1
    done
  done
}
expect_truth() { # what, results...
  local what=$1
  shift
  wait_for_outcome "$@"
  if [ "$(export_of "$what" "$@")" = "$truth" ]; then say "$what: complete, the bytes of one process"; else fail "$what: other bytes than one process exports"; fi
}

part_allocation() {
  submit --print --nodes 2 --hours 1 sweep faulty.toml --out printed | sed '/^# sbatch/,$d' >printed.sbatch
  slurm sbatch --test-only printed.sbatch >test-only.log 2>&1 || fail "sbatch --test-only refuses what --print shows: $(cat test-only.log)"
  submit --nodes 2 --hours 1 sweep faulty.toml --out allocated >submit.log
  slurm "$program" status allocated | grep -q "^$(jobs_of allocated) " || fail "status does not tell of the job"
  expect_truth allocation allocated
}

verdicts_of() { "$program" report --no-svg --json --out "$1.report" "${@:2}" | grep -v '"report":'; }
part_array() {
  submit --print --slices 3 --hours 1 sweep faulty.toml --out array >printed-array
  sed '/^# sbatch/,$d' printed-array >printed.sbatch
  # shellcheck disable=SC2046  # the words of the printed line
  slurm sbatch --test-only $(sed -n 's/^# sbatch --parsable \(.*\) [^ ]*$/\1/p' printed-array) printed.sbatch >test-only.log 2>&1 || fail "sbatch --test-only refuses the array that --print shows: $(cat test-only.log)"
  submit --slices 3 --hours 1 sweep faulty.toml --out array >submit.log
  expect_truth array array/slice-1 array/slice-2 array/slice-3
  slurm "$program" status array | grep -q '^slice-3: .* of ' || fail "status does not tell of the slices"
  [ "$(verdicts_of one slurm-truth)" = "$(verdicts_of slices array/slice-1 array/slice-2 array/slice-3)" ] || fail "the slices are reported otherwise than one ledger"
  verdicts_of one slurm-truth | grep -q '"verdict"' || fail "nothing was judged"
}

part_requeue() {
  local i
  for ((i = 0; i < episodes; i++)); do
    rm -rf requeued
    submit --nodes 2 --hours 1 sweep faulty.toml --out requeued >submit.log
    if wait_for_runs requeued $((4 + RANDOM % 40)); then slurm scontrol requeue "$(jobs_of requeued)"; fi
    expect_truth requeue requeued
  done
}

part_limit() {
  submit --nodes 2 --hours 0.0166 --stop-before 30 sweep limited.toml --out limited >submit.log   # a minute is Slurm's least
  "$program" sweep limited.toml --out limited-truth >limited-truth.log 2>&1
  local all=$truth
  truth=$(export_of limited-truth limited-truth)
  expect_truth limit limited
  truth=$all
  grep -q 'going on in a new turn' limited/slurm-*.log || fail "limit: the job was not stopped by its time limit"
}

part_drain() {
  submit --nodes 2 --hours 1 sweep faulty.toml --out drained >submit.log
  if wait_for_runs drained 8; then
    slurm scontrol update NodeName=node2 State=DRAIN Reason=trial
    slurm scontrol requeue "$(jobs_of drained)"
  fi
  expect_truth drain drained
  slurm scontrol update NodeName=node2 State=RESUME
}

# A job of higher priority takes the nodes of one that is at work: that one stops in order, comes back and completes.
restarts_of() { slurm scontrol show job "$1" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p'; }
part_preempt() {
  local i
  for ((i = 0; i < episodes; i++)); do
    rm -rf preempted preempting
    submit --nodes 2 --cores 2 --hours 1 --extra=--partition=low sweep faulty.toml --out preempted >submit.log
    wait_for_runs preempted $((4 + RANDOM % 20)) || true
    submit --nodes 4 --cores 2 --hours 1 --extra=--partition=high sweep faulty.toml --out preempting >submit.log
    expect_truth "preempt, the job that takes the nodes" preempting
    expect_truth "preempt, the job that gave them" preempted
    [ "$(restarts_of "$(jobs_of preempted)")" = 1 ] || fail "preempt: the job was restarted $(restarts_of "$(jobs_of preempted)") times, not once"
    ! grep -qs 'starting again' preempted/slurm-*.log || fail "preempt: the world was lost, not stopped"
  done
}

# One allocation, over several turns; the losses are those of a pretraining that nobody stopped.
losses_of() { cut -d, -f1,2 "$1/losses.csv"; }
part_pretrain() {
  sed 's/^ *steps *=.*/steps = 600/' "$here/../sweeps/definitions/slow-micro.toml" >slurm-slow.toml
  local job=(pretrain slurm-slow.toml --set training.checkpoint_steps=20)
  submit --nodes 2 --hours 0.0166 --stop-before 30 "${job[@]}" --out slow >submit.log
  "$program" launch --oversubscribe -n 2 "${job[@]}" --out slow-truth >slow-truth.log 2>&1 || fail "a pretraining that nobody stops: $(tail -n 3 slow-truth.log)"
  local deadline=$((SECONDS + 420)) state
  while state=$(state_of "$(jobs_of slow)"); [ "$state" != "COMPLETED " ] && [ "$SECONDS" -lt "$deadline" ]; do sleep 1; done
  [ "$state" = "COMPLETED " ] || fail "pretrain: the job is $state: $(tail -n 5 slow/slurm-*.log)"
  grep -q 'going on in a new turn' slow/slurm-*.log || fail "pretrain: the job was not stopped by its time limit"
  if [ "$(losses_of slow)" = "$(losses_of slow-truth)" ]; then say "pretrain: $(losses_of slow | wc -l) lines of losses, those of one turn"; else fail "pretrain: other losses than in one turn"; fi
}

# A cancelled job must not come back, as one that was stopped with runs left would: requeueing takes some seconds.
expect_gone() { # what, results
  for _ in $(seq 60); do case $(state_of "$(jobs_of "$2")") in *RUNNING* | *PENDING* | *COMPLETING*) sleep 0.5 ;; *) break ;; esac; done
  sleep 12
  case $(state_of "$(jobs_of "$2")") in *RUNNING* | *PENDING* | *COMPLETING*) fail "$1: the job is $(state_of "$(jobs_of "$2")")" ;; *) say "$1: the job is gone" ;; esac
}
cancelled_by() { # what, results, command...
  submit --nodes 2 --hours 1 sweep limited.toml --out "$2" >submit.log
  wait_for_runs "$2" 4 || true
  slurm "${@:3}" >cancel.log || fail "$1: $(cat cancel.log)"
  expect_gone "$1" "$2"
}
part_cancel() {
  cancelled_by "submit --cancel" cancelled "$program" submit --cancel cancelled
  cancelled_by "cancel" ended "$program" cancel ended
  grep -q 'ended in order' cancel.log || fail "cancel did not end the sweep in order: $(cat cancel.log)"
  submit --slices 3 --hours 1 sweep limited.toml --out ended-array >submit.log
  wait_for_runs ended-array/slice-1 2 || true
  slurm "$program" cancel ended-array >cancel.log || fail "cancel of an array: $(cat cancel.log)"
  expect_gone "cancel of an array" ended-array
}

# Slurm reads its largest array when its controller starts.
part_split() {
  echo "MaxArraySize=4" >>"$TESTBED_DIR/slurm/slurm.conf"
  # shellcheck disable=SC2016  # expanded on the node
  slurm sh -c 'p=$(cat /run/slurmctld.pid); kill "$p"; while [ -e "/proc/$p" ]; do sleep 0.1; done'
  "$PALIMPSEST_TESTBED/slurm" up 4 >/dev/null
  submit --slices 6 --at-once 2 --hours 1 sweep faulty.toml --out split >submit.log || fail "an array above MaxArraySize: $(cat submit.log)"
  [ "$(jobs_of split | wc -l)" = 2 ] || fail "six slices did not come in two parts: $(cat split/submitted.json)"
  expect_truth split split/slice-{1..6}
}

"$program" sweep faulty.toml --out slurm-truth >slurm-truth.log 2>&1
truth=$(export_of slurm-truth slurm-truth)
for part in "${parts[@]}"; do "part_$part"; done
[ "$failures" = 0 ]
