"""Profilers of runtimes, and the one table that what they tell is turned into."""
