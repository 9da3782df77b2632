"""A model behind a queue: how long requests take at a given load, from measured service times.

    markov       M/M/c: the exponential guess, exact in closed form
    pollaczek    M/G/1 for the measured times: mean by Pollaczek–Khinchine, quantiles by its transform; M/G/c: the mean, approximately
    simulation   any number of servers: Poisson arrivals, first come first served, measured times drawn again
    loads        the load at which a percentile breaks a limit

Requests come at random times (Poisson), one at a time, and nobody gives up; a server does one request at a time. Times in
seconds, rates in requests per second. A sojourn is what a client sees: waiting and service.
"""

from driftgate.core.queueing.loads import largest_load, simulated_largest_load
from driftgate.core.queueing.markov import MarkovQueue
from driftgate.core.queueing.pollaczek import GeneralQueue
from driftgate.core.queueing.simulation import Draws, Estimate, estimates, is_long_enough, sojourns

__all__ = [
    "Draws",
    "Estimate",
    "GeneralQueue",
    "MarkovQueue",
    "estimates",
    "is_long_enough",
    "largest_load",
    "simulated_largest_load",
    "sojourns",
]
