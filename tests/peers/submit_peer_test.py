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
    return palimpsest("submit", engine, "--print", "--hours", 2, "--memory", 3, "--folder", folder, "--program", "palimpsest", *options, *command)


def said_in_image(command, folder, **variables):
    """What a container's command starts, where the programs of the image only say their words, each on a line."""
    for program in ("palimpsest", "aws-batch-node.sh"):
        Path(folder, program).write_text(f'#!/bin/sh\nprintf "%s\\n" {program} "$@"\nexit ${{CODE:-0}}\n')
        Path(folder, program).chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "AWS_BATCH_JOB_ARRAY_INDEX": "2", "JOB_COMPLETION_INDEX": "2", **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != int(variables.get("CODE", 0)):
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


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

    def test_a_jobs_shell_keeps_the_words_of_the_command(self):
        job = yaml.safe_load(printed("kubernetes", "--volume", "claim"))
        line = job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]["command"][2]
        said = subprocess.run(["bash", "-c", line.replace("cd /data && exec palimpsest", "printf '%s\\n'")], capture_output=True, text=True, check=True).stdout
        self.assertEqual(said.splitlines(), ["launch", "--hosts", "/etc/mpi/hostfile", *COMMAND])

    def test_a_slices_number_begins_at_one(self):
        job = yaml.safe_load(printed("kubernetes", "--volume", "claim", "--slices", 16))
        line = job["spec"]["template"]["spec"]["containers"][0]["command"][2]
        said = subprocess.run(["bash", "-c", line.replace("cd /data", "true").replace("exec palimpsest", "printf '%s\\n'")], capture_output=True, text=True, check=True,
                              env={**os.environ, "JOB_COMPLETION_INDEX": "2"}).stdout.splitlines()
        self.assertEqual(said[-2:], ["--slice", "3/16"])
        self.assertIn("/data/out/slice-3", said)

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
        for engine, word in (("kubernetes", "--volume"), ("aws-batch", "--queue"), ("skypilot", "--volume"), ("pbs", "there are slurm")):
            done = subprocess.run([PROGRAM, "submit", engine, "--hours", "1", "--print", *COMMAND], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(word.lower(), done.stderr.lower())


if __name__ == "__main__":
    unittest.main()
