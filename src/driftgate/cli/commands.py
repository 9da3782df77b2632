"""The table of commands: name → where it is, and its line in `--help`. Nothing is imported until it is called."""

from __future__ import annotations

from importlib import import_module

import click

from driftgate.core.errors import UsageError, did_you_mean

COMMANDS = {
    "run": ("driftgate.cli.run:run", "The whole pipeline, from pull to report."),
    "plan": ("driftgate.cli.planning:plan", "The cells, downloads and estimated time; nothing is run."),
    "pull": ("driftgate.cli.planning:pull", "Plan a run and pull its models."),
    "inputs": ("driftgate.cli.stages:inputs", "Make the inputs of each model."),
    "explain": ("driftgate.cli.stages:explain", "Count and explain graph breaks."),
    "export": ("driftgate.cli.stages:export", "Export to ONNX."),
    "infer": ("driftgate.cli.stages:infer", "Run on targets: outputs and latency."),
    "drift": ("driftgate.cli.stages:drift", "Compare each target's outputs with the reference."),
    "diff": ("driftgate.cli.diff:diff", "Two ONNX files: how far apart, and the node where it begins."),
    "gate": ("driftgate.cli.steps:gate", "Judge a run: findings, JUnit, summary."),
    "repro": ("driftgate.cli.repro:repro", "Scripts that repeat broken cells without Driftgate."),
    "report": ("driftgate.cli.steps:report", "Build the HTML report of a run."),
    "publish": ("driftgate.cli.publish:publish", "Metrics and logs of a run, to a Pushgateway and Loki."),
    "archive": ("driftgate.cli.archive:archive", "Pack a run into one file."),
    "open": ("driftgate.cli.archive:open_run", "Unpack and verify an archived run."),
    "merge": ("driftgate.cli.merge:merge", "Take what other machines computed into a run."),
    "breaks": ("driftgate.cli.breaks:breaks", "The ledger of graph breaks: reasons, families, library code to mend."),
    "field": ("driftgate.cli.field:field", "How far each model came: shares, families, what fails by cause."),
    "compare": ("driftgate.cli.compare:compare", "Two runs beside each other: what is worse, better, different."),
    "accept": ("driftgate.cli.accept:accept", "Live with a finding: a row of expectations.yaml."),
    "bisect": ("driftgate.cli.bisect:bisect", "Which version or commit brought a finding."),
    "history": ("driftgate.cli.history:history", "Runs of every night: `history import|list|show|prune`."),
    "sweep": ("driftgate.cli.sweep:sweep", "Latency and throughput over batches and sizes."),
    "profile": ("driftgate.cli.profile:profile", "Which operators a step spends its time in."),
    "queue": ("driftgate.cli.queue:queue", "Waiting times under load, from measured service times."),
    "doctor": ("driftgate.cli.doctor:doctor", "Which targets work here, and what mends the others."),
    "hub": ("driftgate.cli.hub:hub", "The embedded Hub: `hub serve [FOLDER]`."),
    "cache": ("driftgate.cli.housekeeping:cache", "The cache of cells: `cache prune`."),
    "prune": ("driftgate.cli.housekeeping:prune", "Remove old runs, by age and size."),
    "schema": ("driftgate.cli.housekeeping:schema", "JSON Schema of the configuration or of a record."),
}


class CommandTable(click.Group):
    """A group that knows its commands by name and loads each one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the pipeline, not of the alphabet."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command's module and return it."""
        del ctx
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command for one that is not there."""
        name = arguments[0]
        if name not in COMMANDS:
            raise UsageError(f"no command {name[:80]!r}", mend=did_you_mean(name, COMMANDS))
        return super().resolve_command(ctx, arguments)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without loading any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])
