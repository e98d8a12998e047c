"""An agent that is told to end does."""

import ctypes
import signal
from pathlib import Path

import pytest

from tests.agent.agent_process import running, write_config

pytestmark = pytest.mark.slow


def test_a_signal_that_another_thread_gets_ends_the_agent(tmp_path: Path) -> None:
    """Python hears signals in the main thread alone, which sleeps while the kernel may wake any."""
    with running(write_config(tmp_path)) as agent:
        pid = agent.process.pid
        others = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if int(task.name) != pid]
        assert ctypes.CDLL(None).tgkill(pid, others[0], int(signal.SIGTERM)) == 0

        assert agent.wait() == 0
