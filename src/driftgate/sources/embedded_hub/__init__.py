"""A Hub on loopback: answers what `huggingface_hub` asks, over a folder laid out as FOLDER/org/name/<files>.

Read-only, no database, nothing to configure. The demo and the nightly run take the same path through the
real client; only the endpoint differs. Try it:

    driftgate hub serve --port 8000 FOLDER
    HF_ENDPOINT=http://127.0.0.1:8000 hf download org/name

What it does not protect against: another user of this machine, who may read every model that is neither
gated nor private. It never listens beyond 127.0.0.1.
"""

from driftgate.sources.embedded_hub.server import EmbeddedHub

__all__ = ["EmbeddedHub"]
