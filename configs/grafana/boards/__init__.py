"""The boards as Python: one file a board, drawn from Driftgate's table of metrics. `python configs/grafana/build.py` writes the JSON."""
