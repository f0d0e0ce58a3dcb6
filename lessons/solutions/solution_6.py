"""Solutions to the exercises of lesson 6: from model to product."""

import numpy as np


def steady(times, p, half_life):
    """6.1: probabilities smoothed over time. Each row still adds to 1, as a mixture of rows that do.

    The time that passed decides, not the number of frames: a video of 15 and one of 60 frames a second look the same.
    """
    smoothed = np.array(p, dtype=float)
    for now in range(1, len(smoothed)):
        keep = 0.5 ** ((times[now] - times[now - 1]) / half_life)
        smoothed[now] = keep * smoothed[now - 1] + (1 - keep) * smoothed[now]
    return smoothed


def true_alarms(prevalence, found, false_alarms):
    """6.2: the share of alarms that are true, by Bayes' rule.

    At the airport every second alarm is true if 0.9 * 10 = false_alarms * 99,990: wrong on 9 in 100,000, not 5 in 100.
    """
    true, false = prevalence * found, (1 - prevalence) * false_alarms
    return true / (true + false)


def wilson(right, n, z=1.959964):
    """6.3: Wilson's interval for a share, (low, high). It never leaves 0 to 1, and is honest about small groups."""
    middle = (right + z**2 / 2) / (n + z**2)
    reach = z / (n + z**2) * np.sqrt(right * (n - right) / n + z**2 / 4)
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))
