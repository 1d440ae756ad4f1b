"""Reads what a Palimpsest sweep left, without the program that wrote it.

    from palimpsest_results import Results
    results = Results("results/familiarity")         # or several folders: slices of one sweep
    results.metrics                                  # ["alignment.cosine", ...]
    results.runs()                                   # one dict a run that was handed out, but those in flight for the first time: id, state, seed, image_set, and the keys that were swept
    results.never_handed_out                         # how many runs nobody had yet: nothing is known of them but that they are asked for
    array = results.array("alignment.specificity")   # array.values [run, *axes], array.axes, array.runs
    frame = results.frame("alignment.specificity")   # tidy: one row a number (needs pandas)

The ledger is opened read-only, also while a sweep is running. Its schema is told in sweeps/ledger_schema.cc.
"""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Array", "Results"]

_APPLICATION_ID, _VERSION = 0x506C6D70, 4
_STATES = ("waiting", "done", "failed", "failed")  # the last: in quarantine


@dataclass
class Array:
    """One metric of all runs that have it: values [run, *axes], and who and what the places are."""

    metric: str
    values: np.ndarray
    axes: dict  # name -> labels, in the order of the dimensions after the first
    runs: list  # as Results.runs()


class Results:
    def __init__(self, *folders):
        if not folders:
            raise ValueError("name the folder of a sweep's results")
        self._ledgers = [_open(Path(folder)) for folder in folders]
        for folder, ledger in zip(folders[1:], self._ledgers[1:]):
            for key in ("study", "name", "definition"):
                if _meta(ledger, key) != _meta(self._ledgers[0], key):
                    raise ValueError(f"{folders[0]} and {folder} are not slices of one sweep: they differ in their {key}. Read them one by one")
        self.name = self._meta("name")
        self.study = self._meta("study")
        self.swept = json.loads(self._meta("axes"))  # keys that differ between runs
        self.definition = self._meta("definition")  # TOML with every default written out

    def _meta(self, key):
        return _meta(self._ledgers[0], key)

    @property
    def metrics(self):
        return sorted({row[0] for ledger in self._ledgers for row in ledger.execute("SELECT name FROM metrics")})

    @property
    def never_handed_out(self):
        """Runs that the definition asks for and that nobody had yet; `palimpsest export` lists them, too."""
        asked, known = set(), set()
        if len(self._ledgers) == 1:
            return _without_anybody(self._ledgers[0])
        for ledger in self._ledgers:
            asked.update(_asked(ledger)[1]())
            known.update(_numbers(ledger)[1]())
            known.update(number for pack in _packs(ledger) for places in pack for number in places)
        return len(asked - known)

    def runs(self):
        """Runs that the definition asks for and that were handed out, but those in flight for the first time, sorted by id; one that two ledgers have is given once, done rather than not."""
        found = {}
        for ledger in self._ledgers:
            for run in _runs(ledger, self.swept):
                if run["id"] not in found or run["state"] == "done":
                    found[run["id"]] = run
        return [found[key] for key in sorted(found)]

    def array(self, metric):
        """All done runs that measured `metric`. They must have the same axes: else give `shape` of one of them by itself (frame does)."""
        runs, values, axes = [], [], None
        for run, run_axes, numbers in self._measured(metric):
            if axes is not None and run_axes != axes:
                raise ValueError(f"the runs measured {metric} on different axes; use frame(), or a sweep of one schedule")
            axes = run_axes
            runs.append(run)
            values.append(numbers)
        if axes is None:
            raise KeyError(f"no run has the metric {metric}. There are: {', '.join(self.metrics)}")
        return Array(metric, np.stack(values), {name: list(labels) for name, labels in axes}, runs)

    def frame(self, metric):
        """A pandas.DataFrame with one row a number, sorted by run: run, seed, image_set, the swept keys, the axes, value."""
        import pandas

        by_axes = {}
        for run, axes, numbers in self._measured(metric):
            by_axes.setdefault(axes, []).append((run, numbers))
        if not by_axes:
            raise KeyError(f"no run has the metric {metric}. There are: {', '.join(self.metrics)}")
        parts = [_tidy(axes, measured) for axes, measured in by_axes.items()]
        if len(parts) == 1:
            return parts[0]
        return pandas.concat(parts).sort_values("id", kind="stable", ignore_index=True)

    def to_parquet(self, metric, file):
        """The frame as Parquet (needs pyarrow)."""
        self.frame(metric).to_parquet(file, index=False)

    def _measured(self, metric):
        wanted = {run["id"]: run for run in self.runs() if run["state"] == "done"}
        found = {}
        for ledger in self._ledgers:
            for identity, axes, numbers in ledger.execute(
                "SELECT runs.id, shapes.axes, substr(numbers, 1 + (runs.row - run) * (length(numbers) / measurements.runs), length(numbers) / measurements.runs) "
                "FROM measurements JOIN metrics ON metrics.id = metric JOIN runs ON runs.row BETWEEN run AND run + measurements.runs - 1 "
                "JOIN shapes ON shapes.id = shape WHERE metrics.name = ?", (metric,)):
                if identity in wanted:
                    found[identity] = (axes, numbers)
        parsed = {}
        for identity in sorted(found):
            text, numbers = found[identity]
            if text not in parsed:
                parsed[text] = tuple((axis["name"], tuple(axis["labels"])) for axis in json.loads(text))
            axes = parsed[text]
            yield wanted[identity], axes, np.frombuffer(numbers, "<f4").reshape([len(labels) for _, labels in axes])


def _tidy(axes, measured):
    """Runs that have the same axes."""
    import pandas

    values = np.stack([numbers for _, numbers in measured])
    runs = pandas.DataFrame([{key: value for key, value in run.items() if key != "state"} for run, _ in measured])
    frame = runs.loc[runs.index.repeat(values[0].size)].reset_index(drop=True)
    places = np.unravel_index(np.arange(values[0].size), values.shape[1:]) if axes else ()
    for (axis, labels), place in zip(axes, places):
        frame[axis] = np.tile(np.array([_number(label) for label in labels], dtype=object)[place], len(measured))
    return frame.assign(value=values.ravel()).infer_objects()


def _open(folder):
    file = folder / "ledger.sqlite" if folder.is_dir() else folder
    if not file.exists():
        raise FileNotFoundError(f"{folder}: no sweep's results are here (there is no ledger.sqlite)")
    ledger = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=20)
    try:
        found = [ledger.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{file}: is no ledger, or a damaged one: {error}") from None
    if found[0] != _APPLICATION_ID:
        raise ValueError(f"{file}: is no ledger of palimpsest")
    if found[1] != _VERSION:
        raise ValueError(f"{file}: a ledger of version {found[1]}, but this reads version {_VERSION}: take the reader that came with the program")
    return ledger


def _meta(ledger, key):
    row = ledger.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise ValueError("the sweep that made this ledger has not written its definition: if it is not running any more, run it again")
    return row[0]


def _runs(ledger, swept):
    settings = {row: json.loads(text) for row, text in ledger.execute("SELECT id, json FROM settings")}
    for identity, row, seed, image_set, state in ledger.execute(
        "SELECT id, settings, seed, image_set, state FROM runs WHERE asked > 0 ORDER BY id"):
        condition = {key: _plain(settings[row][key]) for key in swept}
        yield {"id": identity, "state": _STATES[state], "image_set": image_set, "seed": seed} | condition


def _asked(ledger):
    """How many runs a ledger is asked for, and what lists their numbers: "first:step:begin-last,..." counts in steps from the first."""
    numbers = _run_set(ledger.execute("SELECT value FROM meta WHERE key = 'asked'").fetchone()[0])
    return sum(map(len, numbers)), lambda: (number for one in numbers for number in one)


def _run_set(text):
    first, step, ranges = text.split(":")
    first, step = int(first), int(step)
    return [range(first + step * int(begin), first + step * int(last) + 1, step) for begin, last in (one.split("-") for one in ranges.split(",") if one)]


def _packs(ledger):
    """The numbers of runs that were handed out for the first time, pack by pack; most have a row by now."""
    return (_run_set(row[0]) for row in ledger.execute("SELECT runs FROM packs WHERE runs <> ''"))


def _in_flight(ledger):
    """How many of these have none."""
    _, rows = _numbers(ledger)
    known = set(rows())
    return sum(number not in known for pack in _packs(ledger) for places in pack for number in places)


def _without_anybody(ledger):
    """Asked for, without a row and not in flight, all at one moment: a sweep may be at work on it."""
    ledger.execute("BEGIN")
    try:
        return _asked(ledger)[0] - _numbers(ledger)[0] - _in_flight(ledger)
    finally:
        ledger.execute("ROLLBACK")


def _numbers(ledger):
    count = ledger.execute("SELECT count(DISTINCT asked) FROM runs WHERE asked > 0").fetchone()[0]
    return count, lambda: (row[0] for row in ledger.execute("SELECT asked - 1 FROM runs WHERE asked > 0"))


def _plain(stored):
    value = stored[1]  # ["i", 2]: the type stands before it
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _number(label):
    try:
        return float(label)
    except ValueError:
        return label
