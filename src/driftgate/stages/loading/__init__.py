"""From a pinned model to a module that is ready for inference, in float32 on the CPU."""

from driftgate.stages.loading.load import Loaded, Ready, load, load_job, pulled_folder, ready

__all__ = ["Loaded", "Ready", "load", "load_job", "pulled_folder", "ready"]
