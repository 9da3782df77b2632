"""The report of a run: static HTML that needs no script, no inline style and nothing from outside.

    report/index.html              verdict, findings, causes, the model × stage matrix (matrix-2.html … when it is long)
    report/coverage.html           how far each model came, by family, and what fails by cause
    report/models/SLUG.html        everything about one model
    report/findings.html           every finding; breaks.html the graph breaks of the fleet; provenance.html where it ran
    report/style.css icon.svg      and one latency picture a model

It links to the records, logs and files of the run beside it (`../models/SLUG/…`).
"""

from driftgate.steps.report.build import build_report

__all__ = ["build_report"]
