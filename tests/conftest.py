"""What holds for all tests: generated examples are the same in every run, so that a red build is news.

`HYPOTHESIS_PROFILE=explore python -m pytest …` draws new ones.
"""

import os
import signal

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in a shell's background, Ctrl-C is ignored, and children would inherit that: some tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
