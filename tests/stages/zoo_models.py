"""Models of the zoo for tests: pinned, built into a folder, loaded and fed as the stages do it."""

from pathlib import Path

from torch import nn

from driftgate.core.records import LockEntry
from driftgate.core.references import Reference
from driftgate.machine.settings import HubSettings
from driftgate.sources.zoo_source import ZooSource
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.inputs.maker import make_inputs
from driftgate.stages.loading import load
from driftgate.stages.zoo.repository import build_reference
from driftgate.stages.zoo.table import row_of


def fed(model_type: str, folder: Path) -> tuple[nn.Module, ModelInputs]:
    """A type's model, built in `folder` and loaded from there, and its inputs."""
    entry = pinned(model_type)
    build_reference(entry, folder)
    model = load(entry, folder).module
    return model, make_inputs(model, folder, entry.identity(), orders=row_of(model_type).orders)


def pinned(model_type: str) -> LockEntry:
    """The type in its preferred architecture."""
    return ZooSource(HubSettings()).pin(Reference("zoo", model_type))
