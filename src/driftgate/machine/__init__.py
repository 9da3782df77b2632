"""What touches the machine: settings, the run store, isolation, provenance, the event log, the cache.

Knows `core` and nothing else of Driftgate.
"""
