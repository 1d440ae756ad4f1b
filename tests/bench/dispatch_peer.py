"""Tasks that do nothing, a second, on two workers: dispatch_peer.py sqlite|ray|hyperqueue TASKS

sqlite      one process, one loop: a row a task, a transaction for 64 tasks, synchronous = FULL; nothing is sent to anybody
ray         tasks of 64 no-ops each on two CPUs; results in memory
hyperqueue  one process a task (it runs commands), so fewer of them; its server and worker are in this process, and keep no journal
"""
import os
import pathlib
import sqlite3
import sys
import tempfile
import time


def say(name, tasks, seconds, remark):
    print(f"{name:<24} {tasks:8d} runs  {tasks / seconds:7.0f} runs/s ({remark})", flush=True)


def by_sqlite(tasks):
    with tempfile.TemporaryDirectory() as folder:
        ledger = sqlite3.connect(pathlib.Path(folder) / "ledger.sqlite", isolation_level=None)
        ledger.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                             "CREATE TABLE runs (id TEXT PRIMARY KEY, state INTEGER, finished REAL) WITHOUT ROWID")
        start = time.time()
        for first in range(0, tasks, 64):
            ledger.execute("BEGIN")
            for task in range(first, min(first + 64, tasks)):
                ledger.execute("INSERT INTO runs VALUES (?, 1, ?)", (f"{task:032x}", time.time()))
            ledger.execute("COMMIT")
        say("python and sqlite3", tasks, time.time() - start, "one loop, a transaction for 64, durable")


def by_ray(tasks):
    os.environ["RAY_DEDUP_LOGS"] = "0"
    import ray

    ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)

    @ray.remote
    def pack(first):
        return [None for _ in range(64)]

    ray.get([pack.remote(0) for _ in range(8)])
    tasks = min(tasks, 64 * 1000)
    start = time.time()
    ray.get([pack.remote(first) for first in range(0, tasks, 64)])
    say("ray", tasks, time.time() - start, "64 no-ops a task, not durable")
    ray.shutdown()


def by_hyperqueue(tasks):
    os.environ["TQDM_DISABLE"] = "1"
    import hyperqueue
    from hyperqueue.cluster import LocalCluster, WorkerConfig

    tasks = min(tasks, 2000)

    def job(size):
        made = hyperqueue.Job()
        for _ in range(size):
            made.program(["true"], stdout=None, stderr=None)
        return made

    with tempfile.TemporaryDirectory() as folder, LocalCluster(server_dir=folder, worker_config=WorkerConfig(cores=2)) as cluster:
        client = cluster.client()
        client.wait_for_jobs([client.submit(job(1))])
        start = time.time()
        client.wait_for_jobs([client.submit(job(tasks))])
        say("hyperqueue", tasks, time.time() - start, "a process a task, without a journal")


if __name__ == "__main__":
    wanted, count = sys.argv[1], int(sys.argv[2])
    try:
        {"sqlite": by_sqlite, "ray": by_ray, "hyperqueue": by_hyperqueue}[wanted](count)
    except Exception as error:  # a peer that does not run here is no reason to stop
        print(f"{wanted:<24} did not run: {str(error).splitlines()[0] if str(error) else error!r}", flush=True)
