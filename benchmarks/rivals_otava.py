"""Apache Otava's change points, found by Otava itself in an environment of its own: `PYTHON benchmarks/rivals_otava.py IN.npy OUT.npy`.

Reads times, a row for each series, oldest night first. Writes, for each, the smallest p of a change for the worse among the last 2, 3 and 4
nights; 1 where there is none. Settings are Otava's defaults. Nothing of Driftgate is imported here.
"""

import sys

import numpy as np
from otava.analysis import compute_change_points

WITHIN = (2, 3, 4)
WINDOW, MAX_P = 50, 0.001


def p_values(times):
    """Of one series."""
    points, _ = compute_change_points(times.tolist(), window_len=WINDOW, max_pvalue=MAX_P, min_magnitude=0.0)
    worse = [(point.index, point.stats.pvalue) for point in points if point.stats.mean_2 > point.stats.mean_1]
    return [min((p for index, p in worse if index >= times.size - within), default=1.0) for within in WITHIN]


if __name__ == "__main__":
    series = np.load(sys.argv[1], allow_pickle=False)
    np.save(sys.argv[2], np.array([p_values(times) for times in series]))
