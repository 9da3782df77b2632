#!/usr/bin/env python3
"""Publish the metrics of a run.

Hands its arguments to `driftgate publish`, the command that CI calls, so that both run one thing.
"""

import sys

from driftgate.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command(["publish", *sys.argv[1:]]))
