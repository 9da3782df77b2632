"""What Driftgate is about, and nothing that touches the machine: records, verdicts, errors, arithmetic.

Pure: no files, no processes, no network, no torch. Everything else may import this room; it imports only itself.
"""
