"""CPU time of other processes."""

import os
from pathlib import Path


def cpu_s(pid: int) -> float:
    """What a process and its threads have used so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
