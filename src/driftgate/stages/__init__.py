"""The cell stages: one file per stage, from a job to a payload; with targets, the only rooms that import torch."""

from driftgate.stages.torchvision import make_importable

make_importable()
