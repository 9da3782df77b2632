"""Runs in one file: a gzipped tar whose first member is the manifest by which every other one is checked.

    RUN/archive.json     every file inside with its size and hash, every file left out with the reason
    RUN/…                the files, sorted by name; nothing but plain files

The same run gives the same bytes: no times, owners or modes of the machine go in. `docs/artifacts.md` describes the format.
"""
