"""Scripts that repeat a broken cell without Driftgate: plain Python, torch and the model's own library."""

from driftgate.diagnose.repro.write import Repro, write_repros

__all__ = ["Repro", "write_repros"]
