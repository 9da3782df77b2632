"""One model at a desk: what explain found as a tree to read, and `driftgate.explain` for a model in this process."""
