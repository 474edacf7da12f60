"""Jobs over workers, when the system takes one away."""

import os
import signal

import pytest

from ganaug.data.errors import Stopped
from ganaug.study.parallel import run_all


def test_a_worker_that_the_system_ends_is_told_in_a_sentence():
    def ended(data, job):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(Stopped, match="fewer --workers"):
        run_all(ended, None, [1, 2], (), 2, "loky", "trying", None)
