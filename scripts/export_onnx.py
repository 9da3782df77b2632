#!/usr/bin/env python3
"""Export to ONNX.

Hands its arguments to `driftgate export`, the command that CI calls, so that both run one thing.
"""

import sys

from driftgate.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command(["export", *sys.argv[1:]]))
