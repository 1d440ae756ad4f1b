#!/usr/bin/env bash
# Several hosts, real faults: what must hold across machines, on the testbed (network namespaces, each with its own sshd).
#
#   tests/hosts.sh PALIMPSEST [EPISODES] [PART...]     default: 1 episode of each fault, all parts
#     parts: check unlike equal sharded launch worker node crash cut slow pretrain allocation slurm
#   tests/hosts.sh PALIMPSEST 50 episodes              50 sweeps in all: the faults in turn, each on a random host at a random moment
#   tests/hosts.sh PALIMPSEST 50 pretrain              50 pretrainings, likewise
#
# Needs root and PALIMPSEST_TESTBED (the folder with `hosts` and `slurm`); skipped with its reason where one is missing.
set -euo pipefail
program=$(realpath "${1:?the program}")
episodes=${2:-1}
shift $(($# > 2 ? 2 : $#))
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(check unlike equal sharded launch worker node crash cut slow pretrain allocation slurm)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() { echo "skipped: $*"; exit 77; }
[ -n "${PALIMPSEST_TESTBED:-}" ] || skip "PALIMPSEST_TESTBED is not set, so there are no hosts to try"
[ "$(id -u)" = 0 ] || skip "hosts are made of namespaces, which needs root"
command -v sshd >/dev/null || [ -x /usr/sbin/sshd ] || skip "there is no sshd (openssh-server)"
unshare --net --mount --pid --fork true 2>/dev/null || skip "namespaces are not allowed here"
[ ! -e /sys/class/net/tb0 ] || skip "a testbed is up already, and there can be one"

scratch=$(mktemp -d -t palimpsest-hosts-XXXXXX)
export TESTBED_DIR=$scratch/testbed
hosts() { "$PALIMPSEST_TESTBED/hosts" "$@"; }
slurm() { "$PALIMPSEST_TESTBED/slurm" "$@"; }
lanes=()   # episodes that go on beside each other
down() {
  [ ${#lanes[@]} = 0 ] || kill "${lanes[@]}" 2>/dev/null || true
  hosts down >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap down EXIT
failures=0
say() { echo "hosts: $*"; }
fail() { say "FAILED: $*"; failures=$((failures + 1)); }
note_log() { sed 's/^/  | /' "$1" | tail -n "${2:-12}"; }
unset PALIMPSEST_SILENCE   # what is shipped is what is tried
export PRTE_MCA_prte_remote_tmpdir_base=/run/ompi   # /tmp is one for all hosts: a daemon would meet what one of a dead host with its number left

# On node1, in the scratch folder.
on1() { (cd "$scratch" && hosts exec node1 "$program" "$@"); }
export_of() { "$program" export "$1" --out "$1.tables" >/dev/null && (cd "$1.tables" && sha256sum ./*.csv); }
hostfile() { for k in "${@:2}"; do echo "node$k slots=1"; done >"$scratch/$1"; }
done_runs() { "$program" status "$scratch/$1" --json 2>/dev/null | sed -n '/"runs"/,/}/s/.*"done": \([0-9]*\).*/\1/p' | head -n 1; }
wait_for_runs() { # results, number, seconds, pid of the world
  local deadline=$((SECONDS + $3)) seen
  while seen=$(done_runs "$1"); [ "${seen:-0}" -lt "$2" ]; do
    [ "$SECONDS" -lt "$deadline" ] && kill -0 "$4" 2>/dev/null || return 1
    sleep 0.5
  done
}
ranks_on() { # host: pids of its ranks, as the machine sees them
  ip netns pids "$1" | while read -r pid; do ! tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "^$program sweep\|^$program pretrain" || echo "$pid"; done
}

sweep_of() { # name, seconds an epoch of a run, image sets
  printf 'study = "planted"\nname = "%s"\n[planted]\nseconds = %s\n[packs]\nsize = 4\n[sweep]\nimage_sets = %s\nseeds = 2\n[sweep.grid]\n"planted.condition" = ["a", "b"]\n' "$1" "$2" "$3" >"$scratch/$1.toml"
}
training() { # a small pretraining on made images
  cat >"$scratch/slow.toml" <<END
$(sed 's/^ *steps *=.*/steps = 60/' "$here/../sweeps/definitions/slow-micro.toml")
END
}

part_check() {
  hostfile all 1 2 3 4
  on1 launch --check --hosts all sweep equal.toml --out none >"$scratch/sound.log" 2>&1 || { fail "launch --check finds fault with a sound testbed"; note_log "$scratch/sound.log"; }
  hosts cut node3
  local begun=$SECONDS
  if on1 launch --hosts all sweep equal.toml --out none >"$scratch/check.log" 2>&1; then fail "launch starts on a host that is cut off"; fi
  hosts heal node3
  grep -q 'node3' "$scratch/check.log" || { fail "the host that is cut off is not named"; note_log "$scratch/check.log"; }
  say "check: a host that is cut off was named after $((SECONDS - begun)) s"
  grep -q 'over MPI each two of 4 hosts' "$scratch/sound.log" || { fail "launch --check does not try the network over MPI"; note_log "$scratch/sound.log"; }
  more_ranks_than_cores
  parted_over_mpi
  misleading_network
}
more_ranks_than_cores() {
  { echo "node1 slots=1"; echo "node2 slots=10000"; } >"$scratch/crowded"
  if on1 launch --hosts crowded sweep equal.toml --out none >"$scratch/check.log" 2>&1; then fail "launch starts 10000 ranks on a host because its hostfile says so"; fi
  grep -q 'node2 has [0-9]* cores\? for 10000 ranks' "$scratch/check.log" || { fail "a host with more ranks than cores is not named"; note_log "$scratch/check.log"; }
}
# Two hosts of which neither reaches the other, and nobody asked before: MPI would wait for minutes.
parted_over_mpi() {
  ip -n node2 route add blackhole 10.77.0.3
  ip -n node3 route add blackhole 10.77.0.2
  local begun=$SECONDS
  if on1 launch --no-check --hosts all sweep equal.toml --out none >"$scratch/check.log" 2>&1; then fail "launch starts on hosts that are parted"; fi
  ip -n node2 route del blackhole 10.77.0.3
  ip -n node3 route del blackhole 10.77.0.2
  grep -q 'between node2 and node3' "$scratch/check.log" || { fail "hosts that are parted are not named"; note_log "$scratch/check.log"; }
  say "check: two hosts that are parted were named by MPI itself after $((SECONDS - begun)) s"
}
# Each host has a network of its own of the same name, as containers make them: addresses that are there, and lead elsewhere.
misleading_network() {
  local k
  for k in 1 2 3 4; do ip -n "node$k" link add docker0 type bridge && ip -n "node$k" addr add "172.17.0.$k/16" dev docker0 && ip -n "node$k" link set docker0 up; done
  on1 launch --hosts all sweep equal.toml --out misled >"$scratch/check.log" 2>&1 || { fail "a network that joins nobody stops launch"; note_log "$scratch/check.log"; }
  grep -q 'docker0' "$scratch/check.log" || { fail "a network that joins nobody is not named"; note_log "$scratch/check.log"; }
  for k in 1 2 3 4; do ip -n "node$k" link del docker0; done
  say "check: a network that joins nobody was named, and MPI kept off it"
}

# One host is unlike the others, and launch says which and how before a rank is started.
part_unlike() {
  hostfile all 1 2 3 4
  unlike "other weights" 'slow.safetensors is not the first host.s on node3' other_weights
  unlike "another definition" 'equal.toml is not the first host.s on node3' other_definition
  unlike "another build" 'node3 has another build than the first host' other_build
  unlike "a clock five minutes ahead" 'node3 is [23][0-9][0-9] s ahead' other_clock
  unlike "a firewall" 'no way from .*node3' firewall
}
unlike() { # what, words of launch, what does it to node3 and, with "back", undoes it
  local begun=$SECONDS
  "$3"
  if on1 launch --hosts all sweep "${definition:-equal.toml}" --out none >"$scratch/unlike.log" 2>&1; then fail "launch starts with $1 on node3"; fi
  "$3" back
  grep -q "$2" "$scratch/unlike.log" || { fail "$1 on node3: not named"; note_log "$scratch/unlike.log"; }
  [ ! -e "$scratch/none" ] || fail "$1 on node3: a rank was started"
  say "unlike: $1 on node3 was named after $((SECONDS - begun)) s"
}
# A file of its own on node3, in place of the one that all hosts share.
put_over() { hosts exec node3 mount --bind "$2" "$1"; }   # file, what lies over it
take_off() { hosts exec node3 umount -l "$1"; }
other_weights() {
  definition=fast.toml
  [ -z "${1:-}" ] || { take_off "$scratch/slow.safetensors"; unset definition; return; }
  slow_weights
  cp "$scratch/slow.safetensors" "$scratch/slow.other"
  printf '\1' | dd of="$scratch/slow.other" bs=1 seek=$(($(stat -c %s "$scratch/slow.other") - 1)) conv=notrunc status=none
  put_over "$scratch/slow.safetensors" "$scratch/slow.other"
}
slow_weights() { # and a sweep of fast weights over them
  training
  "$program" pretrain "$scratch/slow.toml" --out "$scratch/few" --set training.steps=2 >"$scratch/few.log" 2>&1 || { fail "pretraining of two steps"; note_log "$scratch/few.log"; }
  cp "$scratch/few/weights.safetensors" "$scratch/slow.safetensors"
  printf 'study = "familiarity"\nname = "fast"\n[slow]\nweights = "slow.safetensors"\n[images]\nsource = "dead-leaves"\n[sweep]\nimage_sets = 2\nseeds = 1\n' >"$scratch/fast.toml"
}
other_definition() {
  [ -z "${1:-}" ] || { take_off "$scratch/equal.toml"; return; }
  sed 's/seeds = 2/seeds = 3/' "$scratch/equal.toml" >"$scratch/equal.other"
  put_over "$scratch/equal.toml" "$scratch/equal.other"
}
other_build() {
  [ -z "${1:-}" ] || { take_off "$program"; return; }
  cp "$program" "$scratch/palimpsest.other"
  printf x >>"$scratch/palimpsest.other"
  put_over "$program" "$scratch/palimpsest.other"
}
# The kernel has one clock: whatever is started on node3 is told another time.
other_clock() {
  [ -z "${1:-}" ] || { take_off /etc; return; }
  printf '%s\n' '#define _GNU_SOURCE' '#include <sys/syscall.h>' '#include <time.h>' '#include <unistd.h>' \
    'int clock_gettime(clockid_t clock, struct timespec* now) {' '  const long failed = syscall(SYS_clock_gettime, clock, now);' \
    '  if (clock == CLOCK_REALTIME) now->tv_sec += 300;' '  return failed;' '}' >"$scratch/ahead.c"
  cc -shared -fPIC -O1 -o "$scratch/ahead.so" "$scratch/ahead.c"
  hosts exec node3 cp -a /etc "$scratch/etc"
  echo "$scratch/ahead.so" >"$scratch/etc/ld.so.preload"
  put_over /etc "$scratch/etc"
}
# Lets ssh in and nothing else.
firewall() {
  if [ -n "${1:-}" ]; then
    ip -n node3 rule del pref 5
    ip -n node3 rule add pref 0 lookup local
    ip -n node3 rule del pref 10
    return
  fi
  ip -n node3 rule add pref 10 lookup local
  ip -n node3 rule del pref 0
  ip -n node3 rule add pref 5 iif eth0 ipproto tcp dport 1024-65534 blackhole
}

part_equal() {
  hostfile all 1 2 3 4
  "$program" sweep "$scratch/equal.toml" --out "$scratch/one" >"$scratch/one.log" 2>&1 || { fail "one process"; note_log "$scratch/one.log"; }
  on1 launch --hosts all sweep equal.toml --out four >"$scratch/four.log" 2>&1 || { fail "four hosts"; note_log "$scratch/four.log"; }
  [ "$(export_of "$scratch/one")" = "$(export_of "$scratch/four")" ] || fail "four hosts export other bytes than one process"
  say "equal: a sweep over 4 hosts exports the bytes of one process"
  local trial
  for trial in 1 2 3; do ! start_up "$trial" || return 0; done
  fail "over 4 hosts the first run begins 5 s later or more than by the program alone"
}
# The hosts share the cores of this machine, so the program alone is four of it at once.
start_up() { # number of the trial: whether the first run came less than 5 s after that of the program alone
  local begun=$EPOCHREALTIME each alone=0 four own=()
  for each in 1 2 3 4; do
    "$program" sweep "$scratch/equal.toml" --out "$scratch/own-$1-$each" >"$scratch/own.log" 2>&1 &
    own+=($!)
  done
  wait "${own[@]}"
  for each in 1 2 3 4; do alone=$(first_run_after "$begun" "own-$1-$each" "$alone"); done
  begun=$EPOCHREALTIME
  on1 launch --hosts all sweep equal.toml --out "together-$1" >"$scratch/four.log" 2>&1 || { fail "four hosts"; note_log "$scratch/four.log"; }
  four=$(first_run_after "$begun" "together-$1" 0)
  say "equal: from the command to the first run $alone s by the program alone, $four s over 4 hosts"
  python3 -c 'import sys; sys.exit(float(sys.argv[2]) - float(sys.argv[1]) >= 5)' "$alone" "$four"
}
first_run_after() { # time of the command, results, seconds: the larger of these and the seconds it took
  python3 - "$1" "$scratch/$2/ledger.sqlite" "$3" <<'END'
import sqlite3, sys
with sqlite3.connect(f"file:{sys.argv[2]}?mode=ro", uri=True) as ledger:
    first = ledger.execute("SELECT min(started) FROM every_attempt").fetchone()[0]
print(f"{max(float(sys.argv[3]), first - float(sys.argv[1])):.1f}")
END
}

part_sharded() {
  training
  "$program" launch --oversubscribe -n 1 pretrain "$scratch/slow.toml" --out "$scratch/alone" >"$scratch/alone.log" 2>&1 || { fail "pretraining on one host"; note_log "$scratch/alone.log"; }
  hostfile three 1 2 3
  on1 launch --hosts three pretrain slow.toml --out sharded --set sharding.strategy=full >"$scratch/sharded.log" 2>&1 || { fail "pretraining over three hosts"; note_log "$scratch/sharded.log"; }
  same_losses sharded "$scratch/alone" "$scratch/sharded" || fail "full sharding over three hosts gives another loss curve"
}
same_losses() { # what, two results
  python3 - "$1" "$2/losses.csv" "$3/losses.csv" <<'END'
import csv, sys
a, b = ([[float(x) for x in row[:2]] for row in list(csv.reader(open(f)))[1:]] for f in sys.argv[2:])
same_steps = [x[0] for x in a] == [x[0] for x in b]
worst = max(abs(x[1] - y[1]) / abs(x[1]) for x, y in zip(a, b)) if same_steps else float("inf")
print(f"hosts: {sys.argv[1]}: {len(b)} losses, largest relative difference to those of an undisturbed run {worst:.1e}")
sys.exit(worst > 1e-4)
END
}

part_launch() {
  hostfile all 1 2 3 4
  local begun=$SECONDS said
  if on1 launch --hosts all sweep equal.toml --out none --set planted.nonsense=1 >"$scratch/bad.log" 2>&1; then fail "a wrong key was taken"; fi
  said=$(grep -c 'nonsense' "$scratch/bad.log" || true)
  [ "$said" = 1 ] || { fail "a wrong key is told $said times"; note_log "$scratch/bad.log"; }
  ! grep -q 'starting again' "$scratch/bad.log" || fail "wrong input was tried again"
  say "launch: wrong input was told once, $((SECONDS - begun)) s after the command"
  killed_at_each_start
}
# Rank 0 is killed as soon as it has begun, as where memory runs out: launch says so, once, and does not go on trying.
killed_at_each_start() {
  local begun=${EPOCHREALTIME/./} code=0 tenths
  (cd "$scratch" && PALIMPSEST_CRASH_AT=session-begun hosts exec node1 "$program" launch --oversubscribe -n 2 sweep equal.toml --out killed) >"$scratch/killed.log" 2>&1 || code=$?
  tenths=$(((${EPOCHREALTIME/./} - begun) / 100000))
  say "launch: rank 0 killed at each start, told after $((tenths / 10)).$((tenths % 10)) s"
  [ "$code" = 3 ] || fail "ranks that are killed at each start end with $code"
  [ "$(grep -c 'starting again' "$scratch/killed.log" || true)" = 1 ] || { fail "ranks that are killed at each start are started other than twice"; note_log "$scratch/killed.log"; }
  grep -q 'rank 0 on node1 was killed by signal 9' "$scratch/killed.log" || { fail "the rank that was killed is not named"; note_log "$scratch/killed.log"; }
}

# A sweep over four hosts with a fault in its middle; all of it must be there in the end, with at most so many restarts of the world.
faulty_sweep() { # fault, restarts allowed, number of the first of four hosts, victim, so many tenths of a second after the first result
  local fault=$1 most=$2 first=$3 moment=$5 name=faulty-$3 world code=0 begun=$SECONDS restarts seen bytes=the left
  local log=$scratch/$name.log
  victim=node$4
  hostfile "all-$first" "$first" $((first + 1)) $((first + 2)) $((first + 3))
  rm -rf "${scratch:?}/$name" "$scratch/$name.tables"
  (cd "$scratch" && hosts exec "node$first" "$program" launch --hosts "all-$first" --restarts 3 sweep faulty.toml --out "$name") >"$log" 2>&1 &
  world=$!
  wait_for_runs "$name" 1 120 "$world" || { fail "$fault: the sweep does not get going"; note_log "$log"; kill "$world" 2>/dev/null || true; wait "$world" || true; return; }
  sleep "$((moment / 10)).$((moment % 10))"
  left=$((80 - $(done_runs "$name")))   # packs of four: more than 16 keep all four hosts at work
  "fault_$fault"
  seen=$(seconds_to_detection "$world" "$log")
  wait "$world" || code=$?
  "mend_$fault"
  restarts=$(grep -c 'starting again' "$log" || true)
  [ "$(export_of "$scratch/$name")" = "$faulty_truth" ] || bytes=other
  say "$fault on $victim $((moment / 10)).$((moment % 10)) s after the first result: $restarts restarts, ${seen} with $left runs left, ended with $code after $((SECONDS - begun)) s, exports $bytes bytes of one process"
  if [ "$code" != 0 ] || [ "$bytes" != the ] || [ "$restarts" -gt "$most" ] || [ "${seen%% *}" = late: ] ||
    { [ "$seen" = "not told of" ] && [ "$fault" != slow ] && [ "$left" -gt 16 ]; }; then
    fail "$fault on $victim $((moment / 10)).$((moment % 10)) s after the first result"
    note_log "$log" 20
  fi
}
# Until the log tells of it; nothing is told of a fault that needs no answer.
seconds_to_detection() { # pid of the world, its log
  local begun=${EPOCHREALTIME/./}
  while kill -0 "$1" 2>/dev/null; do
    if grep -qE 'starting again|ended before its time|nothing was heard of|no sign of life' "$2"; then
      local tenths=$(((${EPOCHREALTIME/./} - begun) / 100000))
      [ "$tenths" -le 300 ] || printf 'late: '
      printf 'seen after %d.%d s' $((tenths / 10)) $((tenths % 10))
      return
    fi
    sleep 0.1
  done
  printf 'not told of'
}
fault_worker() { kill -9 "$(ranks_on "$victim" | head -n 1)"; }
mend_worker() { :; }
fault_node() { hosts kill "$victim"; }
mend_node() { hosts boot "$victim"; }
fault_crash() { hosts crash "$victim"; }
mend_crash() { hosts boot "$victim"; }
fault_cut() { hosts cut "$victim"; (sleep 60; hosts heal "$victim") & healing=$!; }
mend_cut() { kill "$healing" 2>/dev/null || true; wait "$healing" 2>/dev/null || true; hosts heal "$victim"; }
fault_slow() { hosts slow "$victim" 500; }
mend_slow() { hosts slow "$victim" 0; }

make_truth() {
  [ -z "${faulty_truth:-}" ] || return 0
  "$program" sweep "$scratch/faulty.toml" --out "$scratch/truth" >"$scratch/truth.log" 2>&1 || { fail "one process"; note_log "$scratch/truth.log"; }
  faulty_truth=$(export_of "$scratch/truth")
}
fault_part() { # fault
  local i
  make_truth
  for ((i = 0; i < episodes; i++)); do faulty_sweep "$1" "${restarts_allowed[$1]}" 1 3 20; done
}
faults=(worker node crash cut slow)
declare -A restarts_allowed=([worker]=0 [node]=1 [crash]=1 [cut]=1 [slow]=0)   # an MPI with ULFM outlives a worker
part_worker() { fault_part worker; }
part_node() { fault_part node; }
part_crash() { fault_part crash; }
part_cut() { fault_part cut; }
part_slow() { fault_part slow; }

# Two sweeps at a time, each on four hosts of its own.
part_episodes() {
  local lane
  make_truth
  local from=${HOSTS_FROM:-1}
  hosts up $((from + 7)) >/dev/null
  for lane in 0 1; do
    (failures=0
    for ((i = lane; i < episodes; i += 2)); do
      fault=${faults[i % 5]}
      faulty_sweep "$fault" "${restarts_allowed[$fault]}" $((from + 4 * lane)) $((from + 4 * lane + 1 + RANDOM % 3)) $((RANDOM % 140))
    done
    [ "$failures" = 0 ]) &
    lanes+=($!)
  done
  for lane in "${lanes[@]}"; do wait "$lane" || fail "episodes"; done
  say "episodes: $episodes of ${faults[*]} in turn"
}

# Pretraining goes on from its last checkpoint on the hosts that are left, to the losses of one that nothing befell. The faults in turn, each on a random host
# at a random step.
part_pretrain() {
  local i
  training
  "$program" launch --oversubscribe -n 3 pretrain "$scratch/slow.toml" --out "$scratch/undisturbed" "${long_training[@]}" >"$scratch/undisturbed.log" 2>&1 || { fail "undisturbed pretraining"; note_log "$scratch/undisturbed.log"; }
  for ((i = 0; i < episodes; i++)); do faulty_pretraining "${training_faults[i % 5]}" $((2 + RANDOM % 2)) $((10 + RANDOM % 140)); done
}
long_training=(--set training.checkpoint_steps=10 --set training.steps=200)
training_faults=(crash worker cut node slowed)
fault_slowed() { hosts slow "$victim" 500; (sleep 25; hosts slow "$victim" 0) & healing=$!; }   # every step waits for it
mend_slowed() { wait "$healing" || true; }
newest_step() { find "$scratch/$1/checkpoints" -name 'step-*' 2>/dev/null | sed -n 's/.*step-0*\([0-9][0-9]*\)$/\1/p' | sort -n | tail -n 1; }
faulty_pretraining() { # fault, victim, step
  local fault=$1 world code=0 begun=$SECONDS seen what log=$scratch/resumed.log failed=$failures
  victim=node$2
  what="pretraining, $fault on $victim after step $3"
  hostfile three 1 2 3
  rm -rf "$scratch/resumed"
  (cd "$scratch" && hosts exec node1 "$program" launch --hosts three --restarts 3 pretrain slow.toml --out resumed "${long_training[@]}") >"$log" 2>&1 &
  world=$!
  until [ "$(newest_step resumed)" -ge "$(($3 / 10 * 10))" ] 2>/dev/null || [ "$SECONDS" -ge $((begun + 300)) ] || ! kill -0 "$world" 2>/dev/null; do sleep 0.1; done
  "fault_$fault"
  seen=$(seconds_to_detection "$world" "$log")
  wait "$world" || code=$?
  "mend_$fault"
  say "$what: $seen, $(grep -o 'goes on from step [0-9]*' "$log" | tail -n 1 || true), ended with $code after $((SECONDS - begun)) s"
  [ "$code" = 0 ] || fail "$what: ended with $code"
  case $fault in
    slowed) [ "$seen" = "not told of" ] || fail "$what: one that is slow was taken for lost" ;;
    *)
      [[ $seen == seen* ]] || fail "$what: $seen"
      grep -q 'goes on from step [1-9]' "$log" || fail "$what: it did not go on from a checkpoint" ;;
  esac
  case $fault in crash | cut | node) grep -q "$victim .*going on without" "$log" || fail "$what: it did not go on without the host" ;; esac
  same_losses "$what" "$scratch/undisturbed" "$scratch/resumed" || fail "$what: other losses than those of an undisturbed run"
  [ "$failures" = "$failed" ] || note_log "$log" 20
}

# Within an allocation of Slurm, where a host is asked by a step of the job, and Slurm says which node is down.
part_allocation() {
  command -v salloc >/dev/null || { say "allocation: left out, there is no salloc"; return; }
  local world log=$scratch/allocated.log code=0 seen
  make_truth
  slurm up 4 >/dev/null
  in_allocation launch --check sweep faulty.toml --out none >"$scratch/sound.log" 2>&1 || { fail "launch --check finds fault with a sound allocation"; note_log "$scratch/sound.log"; }
  grep -q '4 answer' "$scratch/sound.log" || { fail "the nodes of an allocation are not asked"; note_log "$scratch/sound.log"; }
  unlike_in_allocation
  in_allocation launch --restarts 3 sweep faulty.toml --out allocated >"$log" 2>&1 &
  world=$!
  wait_for_runs allocated 1 120 "$world" || { fail "allocation: the sweep does not get going"; note_log "$log"; }
  hosts crash node3
  seen=$(seconds_to_detection "$world" "$log")
  wait "$world" || code=$?
  hosts boot node3
  say "allocation: a crash of node3, $seen, ended with $code"
  [ "$code" = 0 ] && [[ $seen == seen* ]] && [ "$(grep -c 'starting again' "$log")" = 1 ] && grep -q 'node3.*going on without' "$log" || { fail "a crash within an allocation"; note_log "$log" 20; }
  [ "$(export_of "$scratch/allocated")" = "$faulty_truth" ] || fail "a crash within an allocation: other bytes than one process exports"
  slurm down >/dev/null
}
in_allocation() { (cd "$scratch" && slurm exec salloc --quiet --no-kill --nodes=4 --ntasks-per-node=1 "$program" "$@"); }
unlike_in_allocation() {
  cp "$scratch/faulty.toml" "$scratch/faulty.other"
  echo '# other' >>"$scratch/faulty.other"
  put_over "$scratch/faulty.toml" "$scratch/faulty.other"
  if in_allocation launch sweep faulty.toml --out none >"$scratch/unlike.log" 2>&1; then fail "launch starts in an allocation with another definition on node3"; fi
  take_off "$scratch/faulty.toml"
  grep -q 'faulty.toml is not the first host.s on node3' "$scratch/unlike.log" || { fail "another definition on node3 of an allocation: not named"; note_log "$scratch/unlike.log"; }
}

part_slurm() {
  command -v sbatch >/dev/null || { say "slurm: left out, there is no sbatch"; return; }
  slurm up 4 >/dev/null
  PALIMPSEST_PROGRAM=$program HOSTS_SCRATCH=$scratch "$here/slurm.sh" "$episodes" || fail "Slurm"
  slurm down >/dev/null
}

sweep_of equal 0.01 6
sweep_of faulty 0.08 20
cat >>"$scratch/faulty.toml" <<'END'
[[claim]]
name = "b is above a"
metric = "planted.score"
treatment = { "planted.condition" = "b" }
baseline = { "planted.condition" = "a" }
direction = "greater"
END
sweep_of limited 0.1 40
hosts up 4 >/dev/null
for part in "${parts[@]}"; do "part_$part"; done
[ "$failures" = 0 ] || { say "$failures failures"; exit 1; }
say "all well: ${parts[*]}, $episodes episode(s)"
