#!/usr/bin/env python3
"""Build the HTML report of a run.

Hands its arguments to `driftgate report`, the command that CI calls, so that both run one thing.
"""

import sys

from driftgate.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command(["report", *sys.argv[1:]]))
