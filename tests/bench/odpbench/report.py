# SPDX-License-Identifier: LGPL-2.1-or-later
"""Medians, ratios and the Markdown table. Measures nothing."""

import re
import statistics

from . import grid, measures, proxies


def medians(bench, figure):
    return {name: statistics.median(rounds.values()) for name, rounds in bench.samples[figure.key].items() if rounds}


def compare(bench, figure):
    """odp against the peer with the best median, round by round. None when there is nothing to compare."""
    samples, middle = bench.samples[figure.key], medians(bench, figure)
    peers = [n for n in middle if n not in ("odp", measures.DIRECT, proxies.FLOOR)]
    if figure.kind != "ratio" or "odp" not in middle or not peers:
        return None
    best = min(peers, key=middle.get)
    ratios = [samples["odp"][r] / samples[best][r] for r in samples["odp"] if samples[best].get(r, 0) > 0]
    if not ratios:
        return None
    # The standard error of a median is 1.25 times that of a mean.
    error = 1.25 * statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else None
    return {"best": best, "ratio": statistics.median(ratios), "error": error, "low": min(ratios), "high": max(ratios)}


def misses_budget(bench, figure):
    middle, against = medians(bench, figure), compare(bench, figure)
    if figure.kind == "ratio":
        return bool(against) and against["ratio"] > figure.limit
    if "odp" not in middle or figure.kind is None:
        return False
    if figure.kind == "yes":
        return min(bench.samples[figure.key]["odp"].values()) < 1
    return middle["odp"] > figure.limit


# -- facts -------------------------------------------------------------------------------------------


def build_type(build):
    try:
        found = re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return " (build type %s)" % (found.group(1) or "not set") if found else ""


def facts(box, build, peers, bench):
    known = {p.name: p.version() + (build_type(build) if p.name == "odp" else "") for p in peers}
    lines = {
        **grid.facts("tests/bench/run"),
        "proxies": "; ".join(known.values()) + "; each as a user of its own, without privilege",
        "method": "%d rounds, medians; CPU by %s; pinned: proxy to core %d, client to %d, service to %d; %s, %s"
                  % (bench.n_done, box.cpu_method, box.proxy_core, box.client_core, box.service_core,
                     "loopback of its own network namespace" if box.own_network else "the machine's loopback",
                     box.congestion),
    }
    if box.notes:
        lines["limits"] = "; ".join(box.notes)
    return lines


# -- the table ---------------------------------------------------------------------------------------


def cell(bench, figure, name):
    rounds = bench.samples[figure.key].get(name)
    if not rounds:
        return "-"
    if figure.kind == "yes":
        n_bad = len(rounds) - sum(rounds.values())
        text = "yes" if n_bad == 0 else "no" if n_bad == len(rounds) else "no, %d of %d" % (n_bad, len(rounds))
    else:
        text = "%.*f" % (figure.digits, statistics.median(rounds.values()))
    return text + (" !" if name == "odp" and misses_budget(bench, figure) else "")


def ratio_cell(bench, figure):
    against = compare(bench, figure)
    if not against:
        return "-"
    error = " +-%.2f" % against["error"] if against["error"] is not None else ""
    return "%.2f%s of %s%s" % (against["ratio"], error, against["best"], " !" if misses_budget(bench, figure) else "")


def title_of(bench, figure):
    return figure.title % format(bench.n_crowd, ",") if "%s" in figure.title else figure.title


def table(bench):
    names = [measures.DIRECT] + proxies.NAMES + [proxies.Before.name]
    names = [n for n in names if any(bench.samples[f.key].get(n) for f in measures.FIGURES)]
    rows = [["measure", *names, "odp / best peer", "budget"]]
    rows += [[title_of(bench, f), *(cell(bench, f, n) for n in names), ratio_cell(bench, f), f.budget or "-"]
             for f in measures.FIGURES if bench.samples[f.key]]
    return grid.lines(rows)


def markdown(known, bench, errors):
    lines = ["- %s: %s" % item for item in known.items()] + [""] + table(bench)
    notes = ["- half-close, %s: %s" % item for item in bench.faults.items()]
    notes += ["- NOT MEASURED: " + error for error in errors]
    if any(misses_budget(bench, f) for f in measures.FIGURES):
        notes.append("- `!` misses the budget.")
    return "\n".join(lines + [""] + notes if notes else lines)


def as_json(known, bench, errors):
    return {
        "facts": known,
        "figures": {f.key: {
            "title": title_of(bench, f),
            "chart": f.chart,
            "samples": {n: list(rounds.values()) for n, rounds in bench.samples[f.key].items()},
            "medians": medians(bench, f),
            "odp_against_best": compare(bench, f),
            "budget": f.budget,
            "misses_budget": misses_budget(bench, f),
        } for f in measures.FIGURES if bench.samples[f.key]},
        "half_close_faults": bench.faults,
        "errors": errors,
    }
