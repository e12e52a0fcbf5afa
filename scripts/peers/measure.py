"""Runs commands and measures them: processor and wall time of the whole process tree, and its peak memory."""
import ctypes
import glob
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

PR_SET_CHILD_SUBREAPER = 36
SAMPLE_SECONDS = 0.005


class Failed(Exception):
    """A command that did not do its work, so that there is nothing to compare."""


@dataclass
class Measured:
    """What one command cost. Times in seconds, `peak` in MiB (0 where memory was not sampled)."""

    cpu: float
    wall: float
    peak: float
    status: int
    output: str


@dataclass
class Compared:
    """Medians of both sides over all pairs, and the medians of the ratios of each pair (theirs over ours)."""

    theirs: Measured
    ours: Measured
    cpu: float
    wall: float


def adopt_orphans():
    """Processes that a command leaves behind become children of this one, so that their time is counted."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command, memory=False, environment=None):
    """Runs one command to the end of the last process of its tree. Sampling memory costs wall time: do not do both."""
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, **(environment or {})})
        sampler = Sampler() if memory else None
        cpu, status = 0.0, None
        while True:
            try:
                pid, code, usage = os.wait4(-1, 0)
            except ChildProcessError:
                break
            cpu += usage.ru_utime + usage.ru_stime
            wall = time.monotonic() - began
            if pid == process.pid:
                status = process.returncode = os.waitstatus_to_exitcode(code)
        peak = sampler.stop() if sampler else 0.0
        output.seek(0)
        return Measured(cpu, wall, peak, status, output.read().decode("utf-8", "replace"))


class Sampler:
    """Peak memory of all processes below this one: the largest sum of proportional set sizes seen, or the largest high-water mark
    of a single process, whichever is more: what is shared counts once, and a short peak is not missed."""

    def __init__(self):
        self.sum, self.single = 0, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._sample)
        self.thread.start()

    def stop(self):
        """The peak in MiB."""
        self.ended.set()
        self.thread.join()
        return max(self.sum, self.single) / 1024

    def _sample(self):
        while not self.ended.wait(SAMPLE_SECONDS):
            tree = descendants(os.getpid())
            self.sum = max(self.sum, sum(kibibytes(pid, "smaps_rollup", "Pss:") for pid in tree))
            self.single = max([self.single, *(kibibytes(pid, "status", "VmHWM:") for pid in tree)])


def descendants(pid):
    """Ids of all processes below one."""
    found, todo = [], [pid]
    while todo:
        for path in glob.glob(f"/proc/{todo.pop()}/task/*/children"):
            try:
                with open(path, encoding="ascii") as file:
                    children = [int(word) for word in file.read().split()]
            except OSError:
                continue
            found += children
            todo += children
    return found


def kibibytes(pid, name, field):
    """A field of a file below /proc; 0 for a process that is gone."""
    try:
        with open(f"/proc/{pid}/{name}", encoding="ascii", errors="replace") as file:
            return next((int(line.split()[1]) for line in file if line.startswith(field)), 0)
    except OSError:
        return 0


def median(values):
    """The middle value, or the mean of the two in the middle."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def in_turn(theirs, ours, runs):
    """Runs both sides in turn, the other one first every second time, so that a change of the machine's load meets both."""
    pairs = []
    for number in range(runs):
        if number % 2 == 0:
            first, second = theirs(), ours()
            pairs.append((first, second))
        else:
            first, second = ours(), theirs()
            pairs.append((second, first))
    middle = lambda side: Measured(median([pair[side].cpu for pair in pairs]), median([pair[side].wall for pair in pairs]), 0.0, 0, "")
    ratio = lambda figure: median([getattr(a, figure) / max(getattr(b, figure), 1e-6) for a, b in pairs])
    return Compared(middle(0), middle(1), ratio("cpu"), ratio("wall"))
