"""Who runs jobs: the conductor decides what is next, the local pool runs it in a process of its own."""
