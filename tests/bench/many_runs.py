"""Makes a results folder of very many runs out of one of few, by giving copies of its runs other image sets and seeds.

    many_runs.py FEW MANY [--runs 100000] [--image-sets 200]

It needs xxhash (many_runs_requirements.txt), for the seals of the rows.
"""

import argparse
import hashlib
import pathlib
import sqlite3
import struct

import xxhash


def spelled(value):
    """A value as the seal of its row hashes it (sweeps/seal.cc)."""
    if value is None:
        return b"n" + struct.pack("<Q", 0)
    if isinstance(value, int):
        return b"i" + struct.pack("<Qq", 8, value)
    if isinstance(value, float):
        return b"d" + struct.pack("<Qd", 8, value + 0.0)
    if isinstance(value, str):
        return b"s" + struct.pack("<Q", len(value.encode())) + value.encode()
    return b"b" + struct.pack("<QQ", 8, xxhash.xxh3_64_intdigest(value)) + b"l" + struct.pack("<QQ", 8, len(value))


def seal(*values):
    return struct.unpack("<q", struct.pack("<Q", xxhash.xxh3_64_intdigest(b"".join(map(spelled, values)))))[0]


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
    db.create_function("seal", -1, seal, deterministic=True)
    db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; DELETE FROM runs WHERE state <> 1 OR asked = 0;")
    rows = db.execute("SELECT * FROM runs").fetchall()
    columns = [column[1] for column in db.execute("PRAGMA table_info(runs)")]
    place = {name: columns.index(name) for name in ("row", "id", "seed", "image_set", "asked", "first")}
    few_sets = 1 + max(row[place["image_set"]] for row in rows)
    few_seeds = 1 + max(row[place["seed"]] for row in rows)
    highest = max(row[place["row"]] for row in rows)
    across = max(1, options.image_sets // few_sets)
    copies = options.runs // len(rows)
    db.executescript("CREATE TEMP TABLE few AS SELECT metric, runs.row AS run, shape, "
                     "substr(numbers, 1 + (runs.row - run) * (length(numbers) / m.runs), length(numbers) / m.runs) AS numbers "
                     "FROM measurements AS m JOIN runs ON runs.row BETWEEN run AND run + m.runs - 1; "
                     "DELETE FROM measurements; DELETE FROM attempts; DELETE FROM packs; DELETE FROM runs;")
    for copy in range(copies):
        offset = copy * highest
        made = []
        for number, row in enumerate(rows):
            row = list(row)
            row[place["row"]] += offset
            row[place["image_set"]] += few_sets * (copy % across)
            row[place["seed"]] += few_seeds * (copy // across)
            row[place["first"]] = 0   # nothing is told of their attempts
            row[place["asked"]] = 1 + copy * len(rows) + number
            if copy > 0:
                row[place["id"]] = hashlib.md5(f"{row[place['id']]}/{copy}".encode()).hexdigest()
            made.append(row)
        db.executemany(f"INSERT INTO runs VALUES ({','.join('?' * len(columns))})", made)
        db.execute("INSERT INTO measurements SELECT metric, run + ?, 1, shape, numbers, 0 FROM few", (offset,))
    sealed = [name for name in columns if name not in ("attempts", "seal")]   # attempts says nothing of the result
    db.execute(f"UPDATE runs SET seal = seal({','.join(sealed)})")
    db.execute("UPDATE measurements SET seal = seal(metric, run, runs, shape, numbers)")
    db.execute("UPDATE meta SET value = ? WHERE key = 'asked'", (f"0:1:0-{copies * len(rows) - 1}",))
    db.execute("UPDATE meta SET seal = seal(key, value)")
    db.commit()
    print(db.execute("SELECT count(*), count(DISTINCT image_set), count(DISTINCT seed), count(DISTINCT settings) FROM runs").fetchone(),
          "runs, image sets, seeds, conditions;", (options.many / "ledger.sqlite").stat().st_size >> 20, "MiB")


main()
