"""Driftgate: a compile-and-export regression pipeline for fleets of models."""

__version__ = "0.1.0"
