"""Signals that end a program become errors, and do not interrupt what is undone then."""
from __future__ import annotations

import os
import signal
import threading
from typing import Iterator, List

import pytest

from ovirt_node_plugin.cli.signals import signals_ignored, signals_raised
from ovirt_node_plugin.errors import NodePluginError

pytestmark = pytest.mark.unit

ENDING = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_is_an_error_and_those_that_follow_are_ignored(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in ENDING]
    with signals_raised():
        with pytest.raises(NodePluginError, match=f"was ended by {number.name}"):
            os.kill(os.getpid(), number)
        for each in ENDING:
            os.kill(os.getpid(), each)
    assert [signal.getsignal(each) for each in ENDING] == before


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_was_ignored_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with signals_raised():
        os.kill(os.getpid(), number)
        assert signal.getsignal(number) == signal.SIG_IGN


def test_signals_are_ignored_until_the_block_ends() -> None:
    before = [signal.getsignal(each) for each in ENDING]
    with signals_ignored():
        for each in ENDING:
            os.kill(os.getpid(), each)
    assert [signal.getsignal(each) for each in ENDING] == before


def test_another_thread_leaves_the_handlers_as_they_are() -> None:
    reached: List[str] = []

    def work() -> None:
        with signals_raised(), signals_ignored():
            reached.append("the end")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert reached == ["the end"]
