"""Processes that may misbehave: watched, limited, and killed with everything they started.

    family    who descends from whom, how much memory they use, killing them until nothing is left
    guardian  one process per job that watches one worker from outside
    worker    what a process must become before foreign code runs in it
    line      short messages between these processes
    log       what a worker printed, bounded and safe to show
    scratch   temporary folders that a killed owner leaves to the next one to clear
    turns     one machine, several Driftgates: computing together, timing alone

Linux only: sub-reapers, parent-death signals, pidfds and /proc do the work. What this does not protect against: code that sets
out to do harm with the rights of the same user. It is made for models that crash, hang and leak.
"""
