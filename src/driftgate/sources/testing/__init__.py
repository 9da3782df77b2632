"""Fakes that misbehave on purpose, for the tests of whoever builds on the sources."""
