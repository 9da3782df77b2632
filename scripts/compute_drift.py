#!/usr/bin/env python3
"""Compare outputs with the reference.

Hands its arguments to `driftgate drift`, the command that CI calls, so that both run one thing.
"""

import sys

from driftgate.cli import run

if __name__ == "__main__":
    sys.exit(run(["drift", *sys.argv[1:]]))
