# SPDX-License-Identifier: LGPL-2.1-or-later
"""Renews the figures of docs/PERFORMANCE.md and its chart; the words around them stay."""

from pathlib import Path

DOCS = Path(__file__).resolve().parents[3] / "docs"
BEGIN = "<!-- tests/bench/%s --write-docs writes from here -->"
END = "<!-- to here -->"


class Unmarked(Exception):
    """The document has no place for the table."""


def renew_part(command, table):
    page, mark = DOCS / "PERFORMANCE.md", BEGIN % command
    before, begin, rest = page.read_text().partition(mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Unmarked("%s has no lines `%s` and `%s`" % (page, mark, END))
    page.write_text("%s%s\n\n%s\n\n%s%s" % (before, mark, table, END, after))


def renew(table, chart):
    renew_part("run", table)
    (DOCS / "performance.svg").write_text(chart)
