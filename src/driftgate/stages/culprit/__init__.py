"""The culprit: which node of a graph makes two targets disagree, by what it does to the reference's own values."""
