#!/usr/bin/env bash
# Work is handed to batch systems, asked for and taken back, where kubectl, aws, sky and sbatch are scripts that note what they are told; and what such a
# system could not do is refused before.
#   tests/submit_test.sh build/palimpsest
set -euo pipefail
program=$(realpath "$1")
folder=$(mktemp -d -t palimpsest-submit-XXXXXX)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
said() { [[ $1 == *"$2"* ]] || fail "\"$2\" is not in: $1"; }
not_said() { [[ $1 != *"$2"* ]] || fail "\"$2\" is in: $1"; }
told() { cat told 2>/dev/null; rm -f told; }

mkdir tools
export PATH=$folder/tools:$PATH
tool() { # name, what it says to its words
  printf '#!/usr/bin/env bash\necho "%s $*" >>%q/told\ncase "$*" in\n%s\nesac\n' "$1" "$folder" "$2" >"tools/$1"
  chmod +x "tools/$1"
}
tool kubectl '
  apply*) echo job.batch/sweep-x ;;
  get*) [[ "$*" == *"--namespace lab"* ]] || { echo "Error from server (NotFound)" >&2; exit 1; }; echo "sweep-x 1/3 2m" ;;'
tool aws '
  *register-job-definition*) echo arn:aws:batch:x:1:job-definition/sweep-x:1 ;;
  *submit-job*) echo 11-22-33 ;;
  *describe-jobs*) echo "sweep-x RUNNING" ;;'
# shellcheck disable=SC2016  # for the tool's own shell
tool sky '
  *launch*) n=$(cat number 2>/dev/null || echo 0); echo $((n + 1)) >number; echo "Managed Job ID: $((n + 1)) (name: sweep-x)" ;;
  *queue*) printf "ID TASK NAME STATUS\n1 - sweep-x RUNNING\n2 - sweep-x PENDING\n12 - of-another RUNNING\n" ;;'
tool sbatch '*) echo 77 ;;'
tool squeue '*) echo "77_1 RUNNING 1:00 of 1:00:00 node1" ;;'
tool scancel '*) ;;'
tool scontrol '*config*) echo "MaxArraySize            = 4" ;;'

printf 'study = "planted"\nname = "x"\n[sweep]\nseeds = 2\n' >x.toml
job=(sweep x.toml --out)
submit() { "$program" submit "$@" 2>&1; }

# Kubernetes keeps the namespace for its later questions.
said "$(submit kubernetes --volume claim --namespace lab --slices 3 "${job[@]}" lab)" "submitted: kubernetes job.batch/sweep-x"
told >/dev/null
said "$(submit --status lab)" "sweep-x 1/3 2m"
said "$("$program" status lab)" "sweep-x 1/3 2m"
submit --cancel lab >/dev/null
said "$(told)" "kubectl delete --namespace lab job.batch/sweep-x"

# AWS Batch: the definition is registered, the job's id remembered.
said "$(submit aws-batch --volume fs-1 --queue q --slices 3 "${job[@]}" aws)" "submitted: aws-batch 11-22-33"
said "$(told)" "--cli-input-yaml file://$folder/aws/job-definition.yaml"
said "$(submit --status aws)" "sweep-x RUNNING"
said "$(told)" "describe-jobs --jobs 11-22-33"
submit --cancel aws >/dev/null
said "$(told)" "terminate-job --job-id 11-22-33"

# SkyPilot: a job a slice; its queue is asked once and only our jobs are told of.
said "$(submit skypilot --volume bucket --slices 3 "${job[@]}" sky)" "submitted: skypilot 3"
told >/dev/null
status=$(submit --status sky)
said "$status" "1 - sweep-x RUNNING"
said "$status" "2 - sweep-x PENDING"
said "$status" "skypilot 3: no longer in the queue"
not_said "$status" "of-another"
[ "$(told)" = "sky jobs queue" ] || fail "the queue is not asked once"
submit --cancel sky >/dev/null
said "$(told)" "sky jobs cancel --yes 2"

# An array's status for scripts.
submit slurm --hours 1 --slices 2 "${job[@]}" array >/dev/null
"$program" sweep x.toml --out array/slice-2 --slice 2/2 >/dev/null 2>&1
"$program" status --json array >json
said "$(python3 -c '
import json
status = json.load(open("json"))
print(status["engine"], status["jobs"], list(status["slices"]), status["slices"]["slice-2"]["running"])')" "slurm [{'id': '77', 'said': '77_1 RUNNING 1:00 of 1:00:00 node1'}] ['slice-2'] False"

# Parts of an array share what may run at once.
parts=$(submit slurm --print --hours 1 --slices 7 --at-once 4 "${job[@]}" parts | grep -o 'array=[0-9%-]*' | tr '\n' ' ')
[ "$parts" = "array=1-3%2 array=1-3%1 array=1-1%1 " ] || fail "parts: $parts"

# Where the program and the folder are not said, a container has its own.
printed=$(submit kubernetes --print --volume claim --mount /lab --slices 2 "${job[@]}" /lab/out)
said "$printed" "cd /lab || exit 2;"
said "$printed" "exec palimpsest launch"

told >/dev/null
refused() { # part of the sentence, words
  local code=0 answer
  answer=$(submit "${@:2}") || code=$?
  [ "$code" = 2 ] || fail "${*:2}: ended with $code: $answer"
  said "$answer" "$1"
}
cloud=(kubernetes --print --volume claim)
refused "submit kubernetes: --extra means nothing there" "${cloud[@]}" --extra=a "${job[@]}" out
refused "submit kubernetes: --at-once is for --slices" "${cloud[@]}" --at-once 2 "${job[@]}" out
refused "submit kubernetes: --nodes is for one world" "${cloud[@]}" --slices 2 --nodes 2 "${job[@]}" out
refused "submit aws-batch: --at-once means nothing there" aws-batch --print --volume fs-1 --queue q --slices 2 --at-once 2 "${job[@]}" out
refused "submit skypilot: --hours means nothing there" skypilot --print --volume b --hours 2 "${job[@]}" out
refused "submit slurm: --image means nothing there" slurm --print --hours 1 --image a "${job[@]}" out
refused "GPUs of which kind" skypilot --print --volume b --gpus 8 "${job[@]}" out
refused "--hours 0.02 is less than" "${cloud[@]}" --hours 0.02 "${job[@]}" out
refused "--at-once 2: 7 slices come in 3 arrays" slurm --print --hours 1 --slices 7 --at-once 2 "${job[@]}" out
refused "--backup copies the ledger of a sweep" "${cloud[@]}" --backup /data/b pretrain /data/p.toml --out /data/out
refused "nofile.toml" slurm --print --hours 1 sweep nofile.toml --out out
refused "--nonsense" "${cloud[@]}" "${job[@]}" out --nonsense 3
refused "Options of submit itself come before the word sweep" slurm --hours 1 "${job[@]}" out --print
refused "Leave --slice out" "${cloud[@]}" --slices 2 "${job[@]}" out --slice 1/2
refused "write --backup before" "${cloud[@]}" --slices 2 "${job[@]}" out --backup /data/b
[ ! -e told ] || not_said "$(told)" sbatch

[ "$failures" = 0 ] && echo "handed over, asked for, taken back; and refused what was wrong"
