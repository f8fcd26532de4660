"""How much memory this process takes, as the system counts it (proc(5)). Linux only."""

from pathlib import Path


def memory() -> int:
    """Return the bytes that are resident now."""
    return _status("VmRSS")


def peak() -> int:
    """Return the most that were resident since the peak was forgotten."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Count the peak anew."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
