"""What `palimpsest submit` hands to Kubernetes, AWS Batch and SkyPilot keeps to their published schemas (tests/data/batch: the parts that we use)."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from program import PROGRAM, palimpsest

SCHEMAS = Path(__file__).parent.parent / "data" / "batch"
DOCKERFILE = Path(__file__).parent.parent.parent / "cluster" / "Dockerfile"
TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list, "number": (int, float)}


def faults(value, schema, at="", root=None):
    """Where a value does not keep to a JSON schema: type, enum, pattern, required, properties, additionalProperties, items, minimum, maximum, $ref."""
    root = root or schema
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    wanted = schema.get("type")
    if wanted and (not isinstance(value, TYPES[wanted]) or (wanted in ("integer", "number") and isinstance(value, bool))):
        return [f"{at}: {value!r} is no {wanted}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{at}: {value!r} is not like {schema['pattern']}")
    if value.__class__ in (int, float):
        found += [f"{at}: {value} is out of range" for bad in (value < schema.get("minimum", value), value > schema.get("maximum", value)) if bad]
    if isinstance(value, dict):
        known = schema.get("properties", {})
        other = schema.get("additionalProperties", True)
        found += [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, one in value.items():
            if name in known:
                found += faults(one, known[name], f"{at}/{name}", root)
            elif isinstance(other, dict):
                found += faults(one, other, f"{at}/{name}", root)
            elif not other:
                found.append(f"{at}: there is no {name}")
    if isinstance(value, list):
        for number, one in enumerate(value):
            found += faults(one, schema.get("items", {}), f"{at}/{number}", root)
    return found


COMMAND = ["sweep", "/data/it's mine.toml", "--out", "/data/out"]


def printed(engine, *options, command=COMMAND, folder="/data"):
    hours = [] if engine == "skypilot" else ["--hours", 2]
    return palimpsest("submit", engine, "--print", *hours, "--memory", 3, "--folder", folder, "--program", "palimpsest", *options, *command)


def said_in_image(command, folder, **variables):
    """What a container's command starts, where the programs of the image only say their words, each on a line."""
    for program in ("palimpsest", "aws-batch-node.sh"):
        Path(folder, program).write_text(f'#!/bin/sh\nprintf "%s\\n" {program} "$@"\nexit ${{CODE:-0}}\n')
        Path(folder, program).chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "AWS_BATCH_JOB_ARRAY_INDEX": "2", "JOB_COMPLETION_INDEX": "2", **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != int(variables.get("ENDS_WITH", 0)):
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def launcher_command(folder):
    """What the launcher of an MPIJob runs, its results in that folder."""
    job = yaml.safe_load(printed("kubernetes", "--volume", "claim", command=[*COMMAND[:-1], f"{folder}/out"], folder=folder))
    return job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]["command"]


class Submitted(unittest.TestCase):
    def check(self, schema, text):
        document = yaml.safe_load(text)
        self.assertEqual(faults(document, json.loads((SCHEMAS / schema).read_text())), [])
        return document

    def test_an_mpi_job_keeps_to_the_operators_schema(self):
        job = self.check("mpijob-v2beta1.json", printed("kubernetes", "--volume", "claim", "--nodes", 4, "--ranks", 8, "--gpus", 2))
        self.assertEqual(job["spec"]["slotsPerWorker"], 8)
        self.assertEqual(job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"], 4)

    def test_an_indexed_job_keeps_to_kubernetes_schema(self):
        job = self.check("job-v1.json", printed("kubernetes", "--volume", "claim", "--slices", 16, "--at-once", 4))
        self.assertEqual((job["spec"]["completions"], job["spec"]["parallelism"]), (16, 4))

    def test_a_multinode_job_keeps_to_aws_batchs_model(self):
        job = self.check("aws-batch-job-definition.json", printed("aws-batch", "--queue", "q", "--volume", "fs-1234", "--nodes", 4, "--ranks", 8))
        self.assertEqual(job["nodeProperties"]["numNodes"], 4)

    def test_an_array_keeps_to_aws_batchs_model(self):
        text = printed("aws-batch", "--queue", "q", "--volume", "/mnt/bucket", "--slices", 16, "--backup", "/data/backup", "--role", "arn:aws:iam::1:role/r")
        job = self.check("aws-batch-job-definition.json", text)
        self.assertIn('--backup /data/backup/slice-"$slice"', job["containerProperties"]["command"][2])
        self.assertIn("--array-properties size=16", text)

    def test_tasks_keep_to_skypilots_schema(self):
        for options in ([], ["--slices", 4], ["--nodes", 3]):
            self.check("skypilot-task.json", printed("skypilot", "--volume", "bucket", *options))
        task = self.check("skypilot-task.json", printed("skypilot", "--volume", "bucket", "--gpus", 8, "--accelerator", "A100"))
        self.assertEqual(task["resources"]["accelerators"], "A100:8")

    def test_a_jobs_shell_keeps_the_words_of_the_command(self):
        with tempfile.TemporaryDirectory() as folder:
            said = said_in_image(launcher_command(folder), folder)
        self.assertEqual(said.splitlines(), ["palimpsest", "launch", "--hosts", "/etc/mpi/hostfile", *COMMAND[:-1], f"{folder}/out"])

    def test_a_slices_number_begins_at_one(self):
        with tempfile.TemporaryDirectory() as folder:
            job = yaml.safe_load(printed("kubernetes", "--volume", "claim", "--slices", 16, folder=folder))
            said = said_in_image(job["spec"]["template"]["spec"]["containers"][0]["command"], folder).splitlines()
        self.assertEqual(said[-2:], ["--slice", "3/16"])
        self.assertIn("/data/out/slice-3", said)

    def test_a_launcher_has_another_turn_where_that_helps_and_else_none(self):
        for code, ends_with in ((0, 0), (1, 0), (2, 0), (3, 3), (137, 137)):
            with tempfile.TemporaryDirectory() as folder:
                said_in_image(launcher_command(folder), folder, CODE=str(code), ENDS_WITH=str(ends_with))
                told = Path(folder, "out", "job-ended")
                self.assertEqual(f"ended with {code} " in told.read_text() if told.exists() else False, code in (1, 2))

    def test_a_launcher_passes_its_end_on_and_waits_for_the_worlds(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "palimpsest").write_text("#!/bin/bash\ntrap 'sleep 0.3; exit 3' TERM\nuntil grep -q '^State:.S' /proc/$PPID/status; do sleep 0.01; done\necho begun\nfor i in {1..600}; do sleep 0.05; done\n")
            Path(folder, "palimpsest").chmod(0o755)
            pod = subprocess.Popen(launcher_command(folder), env={"PATH": f"{folder}:{os.environ['PATH']}"}, stdout=subprocess.PIPE, text=True)
            self.assertEqual(pod.stdout.readline(), "begun\n")
            pod.terminate()
            self.assertEqual(pod.wait(30), 3)
            pod.stdout.close()

    def test_a_turn_is_asked_to_stop_before_its_time_is_up(self):
        for options in ([], ["--slices", 16]):
            for engine, more in (("kubernetes", ["--volume", "claim"]), ("aws-batch", ["--volume", "fs-1", "--queue", "q"])):
                text = printed(engine, *more, *options)
                self.assertIn("timeout --foreground --preserve-status 7080 palimpsest launch", text)
                self.assertNotIn("activeDeadlineSeconds", text)   # which would end it for good

    def test_a_slurm_script_is_sound_shell(self):
        for options in ([], ["--slices", 16]):
            script = printed("slurm", "--extra=--partition=long", *options)
            subprocess.run(["bash", "-n"], input=script, text=True, check=True)
            self.assertIn("#SBATCH --time=02:00:00", script)
            self.assertIn("#SBATCH --partition=long", script)

    def test_arrays_above_slurms_limit_come_in_parts(self):
        script = printed("slurm", "--slices", 2500, command=["sweep", "f.toml", "--out", "out"])
        self.assertEqual(re.findall(r"--array=1-(\d+)\S* --export=ALL,PALIMPSEST_FIRST_SLICE=(\d+)", script), [("1000", "1"), ("1000", "1001"), ("500", "2001")])

    def test_the_image_starts_the_command_that_aws_batch_gives_it(self):
        kept = re.search(r"^ENTRYPOINT (.*)$", DOCKERFILE.read_text(), re.M)   # `command` takes the place of CMD alone
        with tempfile.TemporaryDirectory() as folder:
            for options in ([], ["--slices", 2]):
                job = yaml.safe_load(printed("aws-batch", "--queue", "q", "--volume", "fs-1", *options, folder=folder))
                container = job["containerProperties"] if options else job["nodeProperties"]["nodeRangeProperties"][0]["container"]
                started = said_in_image([*(json.loads(kept[1]) if kept else []), *container["command"]], folder).splitlines()
                self.assertEqual(started[:2], ["palimpsest", "launch"] if options else ["aws-batch-node.sh", "/data"])

    def test_what_is_missing_is_asked_for_and_ends_with_2(self):
        for engine, word in (("kubernetes", "--volume"), ("aws-batch", "--queue"), ("skypilot", "--volume"), ("slurm", "--hours"), ("pbs", "there are slurm")):
            done = subprocess.run([PROGRAM, "submit", engine, "--folder", "/data", "--print", *(["pretrain", *COMMAND[1:]] if engine == "slurm" else COMMAND)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(word.lower(), done.stderr.lower())


if __name__ == "__main__":
    unittest.main()
