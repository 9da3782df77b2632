"""Where models come from. A source pins a reference exactly, and makes the files of a pinned model present.

No torch here: turning files into a module is the business of `stages/loading`.
"""

from driftgate.core.registry import Registry

SOURCES = Registry(
    "source",
    "driftgate.sources",
    {
        "hf": "driftgate.sources.hub:HubSource",
        "zoo": "driftgate.sources.zoo_source:ZooSource",
        "timm": "driftgate.sources.timm:TimmSource",
        "local": "driftgate.sources.local:LocalSource",
        "python": "driftgate.sources.python:PythonSource",
    },
)
"""Scheme of a reference → the class of its source."""
