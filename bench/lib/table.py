"""Figures and their display: best, median and worst of the runs of each switch."""

import statistics


class Figure:
    """A measured quantity: its name, its unit, and which direction is better."""

    def __init__(self, name, unit, better="more", digits=2):
        self.name, self.unit, self.better, self.digits = name, unit, better, digits


class Figures:
    """All results of a rig: one value for each (scenario, switch, figure, run)."""

    def __init__(self):
        self.rows = []

    def add(self, scenario, switch, figure, run, value):
        self.rows.append({"scenario": scenario, "switch": switch, "figure": figure.name,
                          "unit": figure.unit, "run": run, "value": value})

    def values(self, scenario, switch, figure):
        return [r["value"] for r in self.rows
                if (r["scenario"], r["switch"], r["figure"]) == (scenario, switch, figure.name)]

    def median(self, scenario, switch, figure):
        values = self.values(scenario, switch, figure)
        return statistics.median(values) if values else None

    def switches(self, scenario):
        return list(dict.fromkeys(r["switch"] for r in self.rows if r["scenario"] == scenario))

    def scenarios(self):
        return list(dict.fromkeys(r["scenario"] for r in self.rows))


def summary(values, figure):
    """(best, median, worst)"""
    ordered = sorted(values, reverse=figure.better == "more")
    return ordered[0], statistics.median(ordered), ordered[-1]


def print_table(head, rows, out=print):
    """Left-aligned first column, the rest right-aligned."""
    cells = [[str(c) for c in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for n, row in enumerate(cells):
        out("  ".join(c.ljust(w) if i == 0 else c.rjust(w)
                      for i, (c, w) in enumerate(zip(row, widths))).rstrip())
        if n == 0:
            out("  ".join("-" * w for w in widths))


def print_figures(figures, scenario, title, shown, out=print):
    """One table per scenario, one row per switch, one column per figure: best / median / worst."""
    head = [title] + [f"{figure.name}, {figure.unit}" for figure in shown]
    rows = []
    for switch in figures.switches(scenario):
        row = [switch]
        for figure in shown:
            values = figures.values(scenario, switch, figure)
            row.append(" / ".join(f"{v:.{figure.digits}f}" for v in summary(values, figure))
                       if values else "-")
        rows.append(row)
    out("")
    print_table(head, rows, out)


def print_ratio(what, part, whole, wanted="", out=print):
    """A ratio of medians, with the issue's target if it has one. For information only."""
    if part is None or not whole:
        out(f"  {what}: not measured")
        return
    out(f"  {what}: {part / whole:.2f}" + (f" (wanted: {wanted})" if wanted else ""))


def percentile(ordered, share):
    """Nearest rank: the smallest value that at least `share` of all values do not exceed."""
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[int(rank) - 1]
