"""How long a Hub is waited for: time-outs, number of tries, and the pauses between them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


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

    def pause(self, attempt: int, asked: float | None = None) -> None:
        """Sleep before try number `attempt` + 1. Jitter keeps the agents of a fleet from knocking all at once."""
        if asked is not None:
            self.sleep(min(asked, self.longest_asked))
            return
        longest = min(self.longest, self.wait * 2 ** (attempt - 1))
        self.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311 - nothing secret
