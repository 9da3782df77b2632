"""How long a Hub is waited for: time-outs, number of tries, and the pauses between them."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from driftgate.core.errors import UsageError

VARIABLE = "DRIFTGATE_HUB_PATIENCE"
"""Seconds of silence after which a Hub is asked again (default 15). Every other wait shrinks and grows with it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """`tries` in all; the pause doubles from `wait` seconds up to `longest`. A Hub that says how long to wait
    (Retry-After) is obeyed up to `longest_asked`. `timeout` bounds connecting and each silence, in seconds."""

    tries: int = 5
    wait: float = 1.0
    longest: float = 30.0
    longest_asked: float = 300.0
    timeout: float = 15.0
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """As DRIFTGATE_HUB_PATIENCE says, else the default. Raises UsageError for what is no number of seconds."""
        usual = cls()
        text = environment.get(VARIABLE) or str(usual.timeout)
        try:
            timeout = float(text)
        except ValueError:
            timeout = math.nan
        if not 0 < timeout < math.inf:
            raise UsageError(f"{VARIABLE}={text[:40]!r} is no number of seconds", mend="write it like 15, or unset it")
        factor = timeout / usual.timeout
        return cls(
            wait=usual.wait * factor,
            longest=usual.longest * factor,
            longest_asked=usual.longest_asked * factor,
            timeout=timeout,
        )

    def pause(self, attempt: int, asked: float | None = None) -> None:
        """Sleep before try number `attempt` + 1. Jitter keeps the agents of a fleet from knocking all at once."""
        if asked is not None:
            self.sleep(min(asked, self.longest_asked))
            return
        longest = min(self.longest, self.wait * 2 ** (attempt - 1))
        self.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311 - nothing secret
