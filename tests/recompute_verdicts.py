#!/usr/bin/env python3
"""Recomputes effects, intervals, p-values and verdicts of a sweep from its export, with numpy and scipy and none of the program's code.

    recompute_verdicts.py RESULTS EXPORT      RESULTS: after `report` (tables/claims.csv, resolved.toml); EXPORT: the tables of `export`

Ends with 0 where everything agrees: effects and intervals to 1e-5 relative, p-values to 1e-6, verdicts word for word.
"""

import csv
import itertools
import sys
import tomllib
from pathlib import Path

import numpy as np
from scipy import stats


def same_label(a, b):
    try:
        return float(a) == float(b)
    except ValueError:
        return a == b


def places(labels, word):
    """The labels of an ordered axis that a word means: a label, or a group."""
    n = len(labels)
    hits = [label for label in labels if same_label(label, str(word))]
    groups = {"all": labels, "first": labels[:1], "middle": [labels[n // 2]], "last": labels[-1:],
              "early": labels[: max(1, n // 2)], "late": labels[n // 2:]}
    return hits or groups[word]


def rows_of(export, metric):
    with open(export / f"{metric}.csv", newline="") as file:
        return list(csv.DictReader(file))


def labels_of(rows, axis):
    return list(dict.fromkeys(row[axis] for row in rows))


def selected(rows, at):
    """Each run's cells in what `at` selects, {run: {place on the other axes: value}}; the float32 that the text stands for."""
    chosen = {axis: set(places(labels_of(rows, axis), word)) for axis, word in at.items()}
    cells = {}
    axes = [axis for axis in rows[0] if axis in ("layer", "noise", "readout", "images", "epoch", "step") and axis not in CHANGING]
    for row in rows:
        if all(row[axis] in labels for axis, labels in chosen.items()):
            cells.setdefault(row["run"], {})[tuple(row[axis] for axis in axes)] = float(np.float32(row["value"]))
    return cells


CHANGING = {"epoch", "step", "images"}   # one place at a time is selected of these


def over_cells(function, *selections):
    """The mean over a run's cells of a function of the same cell in several selections."""
    return {run: float(np.mean([function(*(selection[run][cell] for selection in selections)) for cell in selections[0][run]]))
            for run in selections[0]}


def statistic(rows, at, part):
    change, trend = part.get("change"), part.get("trend")
    if change:
        axis = next(key for key in change if key != "as")
        first, last = (selected(rows, at | {axis: end}) for end in change[axis])
        if change.get("as") == "log-ratio":
            return over_cells(lambda a, b: np.log(b / a), first, last)
        return over_cells(lambda a, b: b - a, first, last)
    if trend:
        labels = labels_of(rows, trend)
        x = np.array([float(label) for label in labels])
        courses = [selected(rows, at | {trend: label}) for label in labels]
        return over_cells(lambda *course: np.polyfit(x, course, 1)[0], *courses)
    return over_cells(lambda value: value, selected(rows, at))


def run_values(export, part, readout):
    rows = rows_of(export, part["metric"])
    at = dict(part.get("at", {}))
    if "readout" in rows[0] and "readout" not in at and readout:
        at["readout"] = readout
    values = statistic(rows, at, part)
    if part.get("minus"):
        other = statistic(rows, at | part["minus"], part)
        values = {run: values[run] - other[run] for run in values}
    return values


def text_of(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def meets(run, condition):
    return all(key not in run or same_label(run[key], text_of(value)) for key, value in condition.items())


def losses_of(export, metric):
    losses = {}
    for row in rows_of(export, metric):
        losses.setdefault(row["run"], []).append(float(np.float32(row["value"])))
    return losses


def difference_at_equal_loss(x, change, loss, other_change, other_loss, steps_per_epoch):
    """What one change has come to less the other, each read off where it reaches the lowest loss that both reach."""
    def way(change, loss):
        at = np.arange(len(loss)) / steps_per_epoch        # epochs: before each step
        places = np.unique(np.minimum(x, at[-1]))
        lowest = np.array([min(l for l, t in zip(loss, at) if t <= place) for place in places])
        return -lowest, np.interp(places, x, change)

    def read(way, loss):
        lowest, first = np.unique(way[0], return_index=True)
        return np.interp(-loss, lowest, way[1][first])

    one, other = way(change, loss), way(other_change, other_loss)
    shared = max(-one[0][-1], -other[0][-1])
    return float(read(one, shared) - read(other, shared))


def matched_values(export, part, readout):
    """{run: its change up to each evaluated epoch of the claim's}, and those epochs."""
    axis = next(key for key in part["change"] if key != "as")
    first, last = (float(end) for end in part["change"][axis])
    x = [label for label in labels_of(rows_of(export, part["metric"]), axis) if first <= float(label) <= last]
    ends = [run_values(export, part | {"change": part["change"] | {axis: [x[0], end]}}, readout) for end in x]
    return {run: [end[run] for end in ends] for run in ends[0]}, np.array([float(label) for label in x])


def unit_values(export, part, each, runs, readout, axes, steps_per_epoch):
    """One value a unit: replicates averaged; treatment minus baseline paired on seed and every key that is not named."""
    values = run_values(export, part, readout)
    if part.get("matched"):
        courses, x = matched_values(export, part, readout)
        losses = losses_of(export, part["matched"])
    named = set(part["treatment"]) | set(part.get("baseline", {}))
    pairs = {}
    for run in runs:
        if not meets(run, each):
            continue
        place = (run["image_set"], run["seed"], *(run[key] for key in axes if key not in named))
        if meets(run, part["treatment"]):
            pairs.setdefault(place, {})["treatment"] = run["run"]
        if part.get("baseline") and meets(run, part["baseline"]):
            pairs.setdefault(place, {})["baseline"] = run["run"]
    units = {}
    for place, pair in pairs.items():
        if part.get("baseline") and len(pair) < 2:
            continue
        one, other = pair["treatment"], pair.get("baseline")
        if part.get("matched"):
            value = difference_at_equal_loss(x, courses[one], losses[one], courses[other], losses[other], steps_per_epoch)
        else:
            value = values[one] - (values[other] if other else 0.0)
        units.setdefault(place[0], []).append(value)
    return np.array([np.mean(v) for v in units.values()])


def sign_flip_p(values):
    if len(values) > 16:
        return None  # drawn, not exact
    flips = np.array(list(itertools.product((-1.0, 1.0), repeat=len(values))))
    means = np.abs(flips @ values)
    return float(np.mean(means >= abs(values.sum()) * (1 - 1e-12)))


def holm(p):
    order, adjusted, highest = np.argsort(p, kind="stable"), np.empty(len(p)), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = highest
    return adjusted


def main():
    results, export = Path(sys.argv[1]), Path(sys.argv[2])
    definition = tomllib.loads((results / "resolved.toml").read_text())
    readout = definition.get("slow", {}).get("readout")
    steps_per_epoch = definition.get("training", {}).get("steps_per_epoch", 1)
    axes = list(definition.get("sweep", {}).get("grid", {}))
    with open(export / "runs.csv", newline="") as file:
        runs = list(csv.DictReader(file))
    with open(results / "tables" / "claims.csv", newline="") as file:
        told = list(csv.DictReader(file))

    wrong, compared = [], 0
    by_claim = {}
    for claim in definition["claim"]:
        parts = claim.get("part") or [claim]
        each_axes = [[(key, value) for value in definition["sweep"]["grid"][key]] for key in claim.get("each", [])]
        lines = [line for line in told if line["claim"] == claim["name"]]
        results_of = []
        for part in parts:
            part = {key: claim[key] for key in ("metric", "at", "change", "trend", "minus", "treatment", "baseline", "matched", "direction") if key in claim} | part
            for combination in itertools.product(*each_axes):
                values = unit_values(export, part, dict(combination), runs, readout, axes, steps_per_epoch)
                n, sd = len(values), values.std(ddof=1)
                half = stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n)
                results_of.append({"effect": values.mean(), "low": values.mean() - half, "high": values.mean() + half, "p": sign_flip_p(values),
                                   "units": n, "g": values.mean() / sd * (1 - 3 / (4 * (n - 1) - 1)), "direction": part["direction"]})
        if len(lines) != len(results_of):
            wrong.append(f"{claim['name']}: {len(lines)} lines told, {len(results_of)} expected")
            continue
        for ours, line in zip(results_of, lines):
            for key in ("effect", "low", "high", "p", "units"):
                compared += 1
                if ours[key] is not None and not np.isclose(ours[key], float(line[key]), rtol=1e-5, atol=1e-6 if key == "p" else 1e-9):
                    wrong.append(f"{claim['name']}, part {line['part']}: {key} told {line[key]}, recomputed {ours[key]:.9g}")
        by_claim[claim["name"]] = (results_of, lines)

    confirmatory = [name for name, (_, lines) in by_claim.items() if lines[0]["exploratory"] == "no"]
    p = [max(part["p"] for part in by_claim[name][0]) for name in confirmatory]
    for name, adjusted in zip(confirmatory, holm(np.array(p))):
        parts, lines = by_claim[name]
        signs = all((part["effect"] > 0) == (part["direction"] == "greater") for part in parts)
        verdict = lines[0]["verdict"]
        compared += 1
        if verdict == "supported" and not (signs and adjusted <= 0.05):
            wrong.append(f"{name}: told supported, but the adjusted p is {adjusted:.4g} and the signs are {'right' if signs else 'wrong'}")
        if verdict in ("undecided", "contradicted") and signs and adjusted <= 0.05:
            wrong.append(f"{name}: told {verdict}, but every part has the claimed sign and the adjusted p is {adjusted:.4g}")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{compared} numbers and verdicts of {len(by_claim)} claims compared, {len(wrong)} differ")
    sys.exit(1 if wrong or not compared else 0)


main()
