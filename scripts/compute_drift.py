#!/usr/bin/env python3
"""Compare outputs with the reference.

Hands its arguments to `driftgate drift`, the command that CI calls, so that both run one thing.
"""

import sys

from driftgate.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command(["drift", *sys.argv[1:]]))
