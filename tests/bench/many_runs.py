"""Makes a results folder of very many runs out of one of few, by giving copies of its runs other image sets and seeds.

    many_runs.py FEW MANY [--runs 100000] [--image-sets 200]
"""

import argparse
import hashlib
import pathlib
import shutil
import sqlite3


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("few", type=pathlib.Path)
    arguments.add_argument("many", type=pathlib.Path)
    arguments.add_argument("--runs", type=int, default=100_000)
    arguments.add_argument("--image-sets", type=int, default=200)
    options = arguments.parse_args()
    options.many.mkdir(parents=True)
    with sqlite3.connect(f"file:{options.few / 'ledger.sqlite'}?mode=ro", uri=True) as source, sqlite3.connect(options.many / "ledger.sqlite") as db:
        source.backup(db)
    db = sqlite3.connect(options.many / "ledger.sqlite")
    db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; DELETE FROM runs WHERE state <> 1 OR asked = 0;")
    rows = db.execute("SELECT * FROM runs").fetchall()
    columns = [column[1] for column in db.execute("PRAGMA table_info(runs)")]
    place = {name: columns.index(name) for name in ("row", "id", "seed", "image_set")}
    few_sets = 1 + max(row[place["image_set"]] for row in rows)
    few_seeds = 1 + max(row[place["seed"]] for row in rows)
    highest = max(row[place["row"]] for row in rows)
    across = max(1, options.image_sets // few_sets)
    db.executescript("CREATE TEMP TABLE few AS SELECT metric, run, shape, numbers FROM measurements WHERE run IN (SELECT row FROM runs); "
                     "DELETE FROM attempts;")
    for copy in range(1, options.runs // len(rows)):
        offset = copy * highest
        for row in rows:
            made = list(row)
            made[place["row"]] += offset
            made[place["image_set"]] += few_sets * (copy % across)
            made[place["seed"]] += few_seeds * (copy // across)
            made[place["id"]] = hashlib.md5(f"{row[place['id']]}/{copy}".encode()).hexdigest()
            db.execute(f"INSERT INTO runs VALUES ({','.join('?' * len(made))})", made)
        db.execute("INSERT INTO measurements SELECT metric, run + ?, shape, numbers FROM few", (offset,))
    db.commit()
    print(db.execute("SELECT count(*), count(DISTINCT image_set), count(DISTINCT seed), count(DISTINCT settings) FROM runs").fetchone(),
          "runs, image sets, seeds, conditions;", shutil.disk_usage(options.many).used and (options.many / "ledger.sqlite").stat().st_size >> 20, "MiB")


main()
