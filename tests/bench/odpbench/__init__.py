# SPDX-License-Identifier: LGPL-2.1-or-later
"""The parts of tests/bench/run (sandbox, meter, proxies, measures, report), of wake and of grow."""
