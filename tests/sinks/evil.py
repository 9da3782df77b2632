"""Archives as nobody should make them: each function spoils a good one's members in its own way.

A member is `(TarInfo, content)`; `archive.json` is the first, and `declared` rewrites it so that it agrees with the rest.
"""

import gzip
import hashlib
import io
import json
import tarfile

RUN = "20261122T021500Z-abcdef"
ABOUT = {
    "schema_version": 1,
    "run_id": RUN,
    "fleet": "evil",
    "driftgate": "0",
    "started_at": "2026-11-22T02:15:00Z",
    "config": {},
}
RUN_JSON = json.dumps(ABOUT).encode()


def member(name, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def good():
    """The members of a sound archive of a tiny run."""
    files = {
        "agents/one.json": b"{}\n",
        "models/a/pull.json": b'{"some": "record"}\n',
        "models/a/pull.log": b"hello\n" * 200,
        "run.json": RUN_JSON,
    }
    return declared([member(f"{RUN}/{name}", content) for name, content in files.items()])


def row(name, content):
    return {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def declared(members, **changes):
    """The members behind a manifest that has them all."""
    files = [row(info.name.removeprefix(f"{RUN}/"), content) for info, content in members]
    return [manifest(files, **changes), *members]


def manifest(rows, **changes):
    document = {"schema_version": 1, "run_id": RUN, "fleet": "evil", "files": rows, "left_out": []} | changes
    return member(f"{RUN}/archive.json", json.dumps(document).encode())


def tarred(members, *, form=tarfile.GNU_FORMAT, end=bytes(1024)):
    """The bytes of a tar; a member's size is what its header says, whatever its content."""
    parts = []
    for info, content in members:
        parts += [info.tobuf(form, "utf-8", "surrogateescape"), content, bytes(-len(content) % 512)]
    return b"".join((*parts, end))


def packed(data):
    stream = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as out:
        out.write(data)
    return stream.getvalue()


def with_member(name, content=b"evil\n", **fields):
    """A good archive with one more member, which its manifest has."""
    _, *members = good()
    return packed(tarred(declared([*members, member(f"{RUN}/{name}", content, **fields)])))


def named(name):
    """A good archive with one more member of that very name, undeclared."""
    return packed(tarred([*good(), member(name, b"evil\n")]))


def in_manifest(*names):
    """An archive whose manifest has these names, all of one file's content."""
    return packed(tarred([manifest([row(name, b"x") for name in names])]))
