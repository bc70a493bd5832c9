"""Print progress on a terminal, or as lines of JSON."""
from __future__ import annotations

import contextlib
import json
import shutil
import time
from typing import Callable, ContextManager, Dict, Iterator, List, Mapping, Optional, TextIO

from ..system.json_answer import with_format
from ..system.progress import BYTES, Advance, Progress, Silent
from ..system.words import printable, size

_REDRAW_S, _LINE_S = 0.1, 1.0
_BAR = 20  # columns


def for_people(stream: TextIO, *, lines: bool = False) -> Progress:
    """Return progress as bars on a terminal.

    If ``stream`` is not a terminal, it is printed as ``lines``, or not at all.
    """
    return Bars(stream) if stream.isatty() else Lines(stream) if lines else Silent()


class _Pace:
    """The position of a step, its rate, and the estimated remaining time."""

    def __init__(self, total: int, clock: Callable[[], float]) -> None:
        self.total = total
        self.done = 0
        self._clock = clock
        self._started = clock()

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._started

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> Optional[float]:
        """The seconds that remain at this rate, None if unknown."""
        if not self.total or not self.done:
            return None
        return max(self.total - self.done, 0) / self.rate


class Bars:
    """One line for each step on a terminal, with a bar, the rate and the time left."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock

    @contextlib.contextmanager
    def step(self, name: str, text: str, *, total: Callable[[], int] = lambda: 0,
             unit: str = BYTES) -> Iterator[Advance]:
        """See ``Progress``."""
        self._draw(text)
        pace = _Pace(total(), self._clock)
        drawn_s = -_REDRAW_S

        def advance(done: int) -> None:
            nonlocal drawn_s
            pace.done = done
            if pace.elapsed_s - drawn_s >= _REDRAW_S:
                drawn_s = pace.elapsed_s
                self._draw(text, _shown(pace.done, pace.total, unit, rate=pace.rate,
                                        left_s=pace.left_s))

        try:
            yield advance
        except BaseException:
            self._draw(f"{text}: not done", end="\n")
            raise
        self._draw(f"{text}: done in {_seconds(pace.elapsed_s)}", end="\n")

    def _draw(self, text: str, numbers: str = "", *, end: str = "") -> None:
        _draw(self._stream, text, numbers, end=end)


class Lines:
    """Two plain lines for each step: one when it begins, one when it ends."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock

    @contextlib.contextmanager
    def step(self, name: str, text: str, *, total: Callable[[], int] = lambda: 0,
             unit: str = BYTES) -> Iterator[Advance]:
        """See ``Progress``."""
        begun, ended = self._clock(), "not done"
        self._print(f"{text} ...")
        try:
            yield lambda _: None
            ended = f"done in {_seconds(self._clock() - begun)}"
        finally:
            self._print(f"{text}: {ended}")

    def _print(self, text: str) -> None:
        self._stream.write(f"{printable(text)}\n")
        self._stream.flush()


class NamedSteps:
    """Progress that is shown by ``progress``, with ``name`` after the text of each step.

    A narrow terminal cuts the end of a text.
    """

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name = progress, name

    def step(self, name: str, text: str, *, total: Callable[[], int] = lambda: 0,
             unit: str = BYTES) -> ContextManager[Advance]:
        """See ``Progress``."""
        return self._progress.step(name, f"{text} ({self._name})", total=total, unit=unit)


class JsonLines:
    """One JSON object on each line: ``event`` is ``step``, ``progress`` or ``step-done``."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock

    @contextlib.contextmanager
    def step(self, name: str, text: str, *, total: Callable[[], int] = lambda: 0,
             unit: str = BYTES) -> Iterator[Advance]:
        """See ``Progress``."""
        pace = _Pace(total(), self._clock)
        printed_s = 0.0
        self._print("step", step=name, text=text, total=pace.total, unit=unit)

        def advance(done: int) -> None:
            nonlocal printed_s
            pace.done = done
            if pace.elapsed_s - printed_s >= _LINE_S:
                printed_s = pace.elapsed_s
                left_s = pace.left_s
                self._print("progress", step=name, done=done, total=pace.total, unit=unit,
                            rate=round(pace.rate),
                            left_s=None if left_s is None else round(left_s, 1))

        yield advance
        self._print("step-done", step=name, elapsed_s=round(pace.elapsed_s, 3))

    def _print(self, event: str, **data: object) -> None:
        print_event(self._stream, event, data)


def print_event(stream: TextIO, event: str, data: Mapping[str, object]) -> None:
    """Print one object of a run that prints its progress as JSON, on one line."""
    stream.write(json.dumps(with_format({"event": event, **data}), sort_keys=True) + "\n")
    stream.flush()


def print_answer(stream: TextIO, data: Mapping[str, object], *, as_line: bool) -> None:
    """Print the answer of a command, ``as_line`` if it is the last one after its progress."""
    if as_line:
        print_event(stream, "error" if "error" in data else "result", data)
    else:
        stream.write(json.dumps(with_format(data), indent=2, sort_keys=True) + "\n")
        stream.flush()


class FollowedSteps:
    """Shows the lines of progress of another run: as bars on a terminal, else as lines of text."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._texts: Dict[str, str] = {}  # of steps

    def show(self, line: Mapping[str, object]) -> None:
        """Show one line, an object with an ``event``."""
        event, step = line.get("event"), str(line.get("step"))
        if event == "step":
            self._texts[step] = str(line.get("text"))
            self._print(self._texts[step], "" if self._stream.isatty() else " ...", passing=True)
        elif event == "progress" and self._stream.isatty():
            self._print(self._texts.get(step, step), _shown(
                int(_number(line, "done")), int(_number(line, "total")), str(line.get("unit")),
                rate=_number(line, "rate"), left_s=(
                    None if line.get("left_s") is None else _number(line, "left_s"))),
                passing=True)
        elif event == "step-done":
            elapsed = _seconds(_number(line, "elapsed_s"))
            self._print(f"{self._texts.get(step, step)}: done in {elapsed}")
        elif event == "message":
            for text in str(line.get("text")).splitlines():
                self._print(text)

    def _print(self, text: str, numbers: str = "", *, passing: bool = False) -> None:
        """Print a line; on a terminal, the next one replaces it if it is ``passing``."""
        if self._stream.isatty():
            _draw(self._stream, text, numbers, end="" if passing else "\n")
        else:
            self._stream.write(f"{printable(text)}{numbers}\n")
            self._stream.flush()


def _number(line: Mapping[str, object], name: str) -> float:
    value = line.get(name)
    return value if isinstance(value, (int, float)) else 0


def _draw(stream: TextIO, text: str, numbers: str = "", *, end: str = "") -> None:
    """Draw the line of a terminal again. If it is too long, the text is cut, not the numbers."""
    width = shutil.get_terminal_size().columns - 1
    text, numbers = printable(text), printable(numbers)
    stream.write(f"\r\x1b[K{text[:max(width - len(numbers), 0)]}{numbers}"[:width + 4] + end)
    stream.flush()


def _shown(done: int, total: int, unit: str, *, rate: float, left_s: Optional[float]) -> str:
    """Return the numbers of a step. The total is an estimate and may be exceeded."""
    words: List[str] = [""]
    if total:
        part = min(done / total, 1.0)
        full = int(part * _BAR)
        words.append(f"[{'#' * full}{' ' * (_BAR - full)}] {part:4.0%}")
    if done:
        words.append(f"{size(int(rate))}/s" if unit == BYTES else f"{rate:.0f} {unit}/s")
    if left_s is not None:
        words.append(f"{_seconds(left_s)} left")
    return "  ".join(words)


def _seconds(seconds: float) -> str:
    """Return a time as ``9 s``, or as minutes and seconds."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02d} min"
