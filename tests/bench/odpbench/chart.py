# SPDX-License-Identifier: LGPL-2.1-or-later
"""The medians as bars, one panel a measure, in SVG that reads on light and on dark paper alike.

Takes what report.as_json() gives, so that a chart can also be drawn of a file that was kept.
"""

from xml.sax.saxutils import escape

WIDTH, MARGIN, GAP, N_COLUMNS = 960, 24, 20, 3
HEAD, PANEL_HEAD, ROW, BAR = 66, 44, 20, 13
NAME_WIDTH, VALUE_WIDTH = 92, 44
PANEL_WIDTH = (WIDTH - 2 * MARGIN - (N_COLUMNS - 1) * GAP) / N_COLUMNS

STYLE = """\
text { font: 12px system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #24292f; }
.paper { fill: #ffffff; }
.title { font-size: 17px; font-weight: 600; }
.quiet { fill: #656d76; font-size: 11px; }
.head { font-weight: 600; }
.peer { fill: #b6c2cf; }
.odp { fill: #1a7f5a; }
.mine { font-weight: 600; fill: #1a7f5a; }
.missed { fill: #bc4c00; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .paper { fill: #0d1117; }
  .quiet { fill: #8d96a0; }
  .peer { fill: #46515e; }
  .odp { fill: #3fb68b; }
  .mine { fill: #3fb68b; }
  .missed { fill: #f0883e; }
}"""


def number(value):
    """Three digits that matter."""
    if value >= 100:
        return format(round(value), ",")
    return "%.1f" % value if value >= 10 else "%.2f" % value


def text(x, y, what, style="", anchor="start"):
    return '<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>' % (x, y, style, anchor, escape(what))


def longest_of(values):
    """One that is far from all others would make these look alike: it leaves the paper."""
    *others, last = [0, *sorted(values.values())]
    return others[-1] * 1.3 if last > 2 * others[-1] > 0 else last or 1


def panel(x, y, figure, names):
    title, unit = figure["chart"]
    values = figure["medians"]
    longest = longest_of(values)
    room = PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH
    lines = [text(x, y + 14, title, "head"), text(x, y + 29, unit, "quiet")]
    for i, name in enumerate(n for n in names if n in values):
        top, is_odp = y + PANEL_HEAD + i * ROW, name == "odp"
        style = "odp missed" if is_odp and figure["misses_budget"] else "odp" if is_odp else "peer"
        width = min(max(2, room * values[name] / longest), room)
        label = ("\u2192 " if values[name] > longest else "") + number(values[name])
        lines += [
            text(x + NAME_WIDTH - 8, top + BAR - 2.5, name, "mine" if is_odp else "", "end"),
            '<rect x="%.1f" y="%.1f" width="%.1f" height="%d" rx="2" class="%s"/>'
            % (x + NAME_WIDTH, top, width, BAR, style),
            text(x + NAME_WIDTH + width + 6, top + BAR - 2.5, label, "mine" if is_odp else ""),
        ]
    return lines


def svg(results, names):
    """`names`: the proxies in their order; one that has no figure in a panel is left out of that panel."""
    figures = [f for f in results["figures"].values() if f["chart"] and f["medians"]]
    names = ["odp"] + [n for n in names if n != "odp"]
    height, lines = HEAD, []
    for first in range(0, len(figures), N_COLUMNS):
        row = figures[first:first + N_COLUMNS]
        for column, figure in enumerate(row):
            lines += panel(MARGIN + column * (PANEL_WIDTH + GAP), height, figure, names)
        height += PANEL_HEAD + ROW * max(sum(n in f["medians"] for n in names) for f in row) + GAP
    facts = results["facts"]
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">'
        % (WIDTH, height, WIDTH, height),
        "<title>odp beside its peers</title>",
        "<style>\n%s\n</style>" % STYLE,
        '<rect width="%d" height="%d" class="paper"/>' % (WIDTH, height),
        text(MARGIN, 32, "odp beside its peers: less is better", "title"),
        text(MARGIN, 50, "medians of one run, %s; %s" % (facts["date"], facts["machine"]), "quiet"),
        *lines, "</svg>", ""])
