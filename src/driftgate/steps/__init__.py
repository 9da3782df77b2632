"""Steps over a whole run, in the parent: gate, report, publish, archive.

Knows `core`, `machine`, `history` and `sinks`; imports neither torch nor numpy.
"""
