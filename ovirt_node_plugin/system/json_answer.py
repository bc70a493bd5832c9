"""The JSON answers of commands: their format, and the answer of a command that failed."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Mapping, Optional, Tuple, Type, TypeVar, Union

from ..errors import (
    DisputedFile,
    Drifted,
    NeedsNewerImage,
    NodePluginError,
    PathsRefused,
    Reason,
    SeveralReasons,
    UsageError,
)
from .json_data import Data, of_format, typed

FORMAT = 1
T = TypeVar("T")


@dataclass(frozen=True)
class ReasonAnswer:
    """One reason of several: an error with the ``plugins`` that it is about, if that is known.

    ``packages``, ``paths`` and ``disputed_files`` are None unless the kind of error has them.
    """

    status: int
    kind: str
    message: str
    hint: str
    packages: Optional[Tuple[str, ...]] = None
    paths: Optional[Tuple[str, ...]] = None
    disputed_files: Optional[Tuple[DisputedFile, ...]] = None
    plugins: Tuple[str, ...] = ()

    @classmethod
    def of(cls, reason: Reason) -> ReasonAnswer:
        """Return the part of an answer for ``reason``."""
        error = ErrorAnswer.of(reason.error)
        return cls(status=error.status, kind=error.kind, message=error.message, hint=error.hint,
                   packages=error.packages, paths=error.paths,
                   disputed_files=error.disputed_files, plugins=reason.plugins)


@dataclass(frozen=True)
class ErrorAnswer:
    """The error of a command: its exit status, the name of its class, and what it names.

    ``packages``, ``paths``, ``disputed_files``, ``reasons`` and ``fitting`` are None unless
    the kind of error has them.
    """

    status: int
    kind: str
    message: str
    hint: str
    packages: Optional[Tuple[str, ...]] = None
    paths: Optional[Tuple[str, ...]] = None
    disputed_files: Optional[Tuple[DisputedFile, ...]] = None
    reasons: Optional[Tuple[ReasonAnswer, ...]] = None
    fitting: Optional[Tuple[str, ...]] = None

    @classmethod
    def of(cls, error: NodePluginError) -> ErrorAnswer:
        """Return the answer for ``error``."""
        answer = cls(
            status=int(error.status), kind=type(error).__name__, message=error.message,
            hint=error.hint,
            packages=error.packages if isinstance(error, NeedsNewerImage) else None,
            paths=error.paths if isinstance(error, Drifted) else None,
            disputed_files=error.files if isinstance(error, PathsRefused) else None)
        if not isinstance(error, SeveralReasons):
            return answer
        return dataclasses.replace(
            answer, fitting=error.fitting,
            reasons=tuple(map(ReasonAnswer.of, error.reasons)))

    def to_data(self) -> Data:
        """Return the answer as data, without its format."""
        data = _without_none(dataclasses.asdict(self))
        if self.reasons is not None:
            data["reasons"] = [_without_none(dataclasses.asdict(reason))
                               for reason in self.reasons]
        return {"error": data}


def invalid_command_line() -> ErrorAnswer:
    """Return the answer for a command line that could not be parsed."""
    return ErrorAnswer.of(UsageError("the command line is invalid",
                                     hint="Read the reason on standard error."))


def _without_none(data: Data) -> Data:
    return {name: value for name, value in data.items() if value is not None}


def with_format(data: Mapping[str, object]) -> Data:
    """Return a whole answer. Within a format, names are only added."""
    return {"format": FORMAT, **data}


def read(kind: Type[T], data: object) -> Union[T, ErrorAnswer]:
    """Return a whole answer as a value of ``kind``, or the error that it contains.

    Raises ValueError for an answer of another format or form.
    """
    answer = of_format(FORMAT, data)
    if "error" in answer:
        return typed(ErrorAnswer, answer["error"], place="/error")
    return typed(kind, answer)
