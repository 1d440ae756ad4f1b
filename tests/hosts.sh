#!/usr/bin/env bash
# Several hosts, real faults: what must hold across machines, on the testbed (network namespaces, each with its own sshd).
#
#   tests/hosts.sh PALIMPSEST [EPISODES] [PART...]     default: 1 episode of each fault, all parts
#     parts: check equal sharded launch worker node crash cut slow pretrain slurm
#   tests/hosts.sh PALIMPSEST 50 episodes              50 in all: the faults in turn, each on a random host at a random moment
#
# Needs root and PALIMPSEST_TESTBED (the folder with `hosts` and `slurm`); skipped with its reason where one is missing.
set -euo pipefail
program=$(realpath "${1:?the program}")
episodes=${2:-1}
shift $(($# > 2 ? 2 : $#))
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(check equal sharded launch worker node crash cut slow pretrain slurm)
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
export PALIMPSEST_SILENCE=${PALIMPSEST_SILENCE:-20}
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
  parted_over_mpi
  misleading_network
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

part_equal() {
  "$program" sweep "$scratch/equal.toml" --out "$scratch/one" >"$scratch/one.log" 2>&1 || { fail "one process"; note_log "$scratch/one.log"; }
  hostfile all 1 2 3 4
  local begun=$SECONDS
  on1 launch --hosts all sweep equal.toml --out four >"$scratch/four.log" 2>&1 || { fail "four hosts"; note_log "$scratch/four.log"; }
  [ "$(export_of "$scratch/one")" = "$(export_of "$scratch/four")" ] || fail "four hosts export other bytes than one process"
  say "equal: a sweep over 4 hosts exports the bytes of one process ($((SECONDS - begun)) s)"
}

part_sharded() {
  training
  "$program" launch --oversubscribe -n 1 pretrain "$scratch/slow.toml" --out "$scratch/alone" >"$scratch/alone.log" 2>&1 || { fail "pretraining on one host"; note_log "$scratch/alone.log"; }
  hostfile three 1 2 3
  on1 launch --hosts three pretrain slow.toml --out sharded --set sharding.strategy=full >"$scratch/sharded.log" 2>&1 || { fail "pretraining over three hosts"; note_log "$scratch/sharded.log"; }
  python3 - "$scratch/alone/losses.csv" "$scratch/sharded/losses.csv" <<'END' || fail "full sharding over three hosts gives another loss curve"
import csv, sys
a, b = ([[float(x) for x in row[:2]] for row in list(csv.reader(open(f)))[1:]] for f in sys.argv[1:])
worst = max(abs(x[1] - y[1]) / abs(x[1]) for x, y in zip(a, b)) if len(a) == len(b) else float("inf")
print(f"hosts: sharded: {len(a)} losses, largest relative difference {worst:.1e}")
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
}

# A sweep over four hosts with a fault in its middle; all of it must be there in the end, with at most so many restarts of the world.
faulty_sweep() { # fault, restarts allowed, number of the first of four hosts, victim, so many tenths of a second after the first result
  local fault=$1 most=$2 first=$3 moment=$5 name=faulty-$3 world code=0 begun=$SECONDS restarts seen bytes=the
  local log=$scratch/$name.log
  victim=node$4
  hostfile "all-$first" "$first" $((first + 1)) $((first + 2)) $((first + 3))
  rm -rf "${scratch:?}/$name" "$scratch/$name.tables"
  (cd "$scratch" && hosts exec "node$first" "$program" launch --hosts "all-$first" --restarts 3 sweep faulty.toml --out "$name") >"$log" 2>&1 &
  world=$!
  wait_for_runs "$name" 1 120 "$world" || { fail "$fault: the sweep does not get going"; note_log "$log"; kill "$world" 2>/dev/null || true; wait "$world" || true; return; }
  sleep "$((moment / 10)).$((moment % 10))"
  "fault_$fault"
  seen=$(seconds_to_detection "$world" "$log")
  wait "$world" || code=$?
  "mend_$fault"
  restarts=$(grep -c 'starting again' "$log" || true)
  [ "$(export_of "$scratch/$name")" = "$faulty_truth" ] || bytes=other
  say "$fault on $victim $((moment / 10)).$((moment % 10)) s after the first result: $restarts restarts, ${seen}, ended with $code after $((SECONDS - begun)) s, exports $bytes bytes of one process"
  if [ "$code" != 0 ] || [ "$bytes" != the ] || [ "$restarts" -gt "$most" ] || [ "${seen%% *}" = late: ]; then
    fail "$fault on $victim $((moment / 10)).$((moment % 10)) s after the first result"
    note_log "$log" 20
  fi
}
# Until the log tells of it; nothing is told of a fault that needs no answer.
seconds_to_detection() { # pid of the world, its log
  local begun=${EPOCHREALTIME/./}
  while kill -0 "$1" 2>/dev/null; do
    if grep -qE 'starting again|ended before its time|nothing was heard of' "$2"; then
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

part_pretrain() {
  training
  local i world code
  for ((i = 0; i < episodes; i++)); do
    code=0
    hostfile three 1 2 3
    rm -rf "$scratch/resumed"
    on1 launch --hosts three pretrain slow.toml --out resumed --set training.checkpoint_steps=10 --set training.steps=400 >"$scratch/resumed.log" 2>&1 &
    world=$!
    local deadline=$((SECONDS + 300))
    until compgen -G "$scratch/resumed/checkpoint*" >/dev/null || [ "$SECONDS" -ge "$deadline" ]; do sleep 0.5; done
    local lost=$SECONDS
    hosts crash node3
    until grep -q 'starting again' "$scratch/resumed.log" || [ "$SECONDS" -ge $((lost + 120)) ]; do sleep 0.5; done
    say "pretrain: a silent crash was seen after $((SECONDS - lost)) s"
    wait "$world" || code=$?
    hosts boot node3
    [ "$code" = 0 ] || { fail "pretraining ended with $code after a host crashed"; note_log "$scratch/resumed.log" 20; }
    grep -q 'going on without' "$scratch/resumed.log" || { fail "pretraining did not go on without the host"; note_log "$scratch/resumed.log" 20; }
  done
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
