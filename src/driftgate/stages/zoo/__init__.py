"""Tiny models with random weights, made by rule: shrink a configuration, draw weights, save a repository."""
