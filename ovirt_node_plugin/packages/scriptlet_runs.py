"""The scriptlets of a transaction: which one runs, and which ones fail.

rpm tells for each scriptlet its tag and its package, and for each that fails whether the package
can change nevertheless. DNF's own class for rpm's callbacks passes on neither.
"""
from __future__ import annotations

import contextlib
import functools
import re
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, Mapping, Protocol, Sequence

import dnf.i18n
import dnf.util
import dnf.yum.rpmtrans
import rpm

from ..errors import NodePluginError
from ..system.words import first_lines
from . import outcome
from .dnf_types import DnfBase

_MOST_LINES = 10
# Flags of rpm's rpmts.h; rpm has the last two since 4.19.
_SKIPPING = ("NOPREUN", "NOPOSTUN", "NOPREUNTRANS", "NOPOSTUNTRANS")
# Tags of rpm's rpmtag.h that its Python module does not have
_TRIGGERS = {1100: "triggerin", 1101: "triggerun", 1102: "triggerpostun", 1171: "triggerprein"}
# "warning: %transfiletriggerin(acme-1-1.noarch) scriptlet failed, exit status 1", translated
_DESCRIPTION = re.compile(r"%([a-z]+)\(([^()\s]+)\)")

States = Callable[[], Mapping[str, object]]


@dataclass(frozen=True)
class Scriptlet:
    """A scriptlet: its section in a spec file, such as ``postun``, and its package.

    The package of a trigger is the one that has the trigger. ``package`` is a NEVRA, or of a
    trigger a name. rpm does not tell a file trigger from another trigger, unless it fails.
    """

    section: str
    package: str

    @property
    def text(self) -> str:
        """The words for people."""
        if self.section in _TRIGGERS.values():
            return f"a trigger of {self.package}"
        return f"%{self.section} of {self.package}"

    @property
    def is_trigger(self) -> bool:
        """Whether it is a trigger of any kind."""
        return "trigger" in self.section

    @property
    def of_leaving(self) -> bool:
        """Whether it runs because a package leaves."""
        return self.section.replace("trans", "").endswith("un")


@dataclass(frozen=True)
class FailedScriptlet:
    """A scriptlet that failed; if that is ``fatal``, rpm did not change its package."""

    scriptlet: Scriptlet
    output: str
    fatal: bool

    @property
    def text(self) -> str:
        """The words for people, with the output."""
        start = "the scriptlet " * self.scriptlet.text.startswith("%")
        return "\n  ".join([f"{start}{self.scriptlet.text} failed",
                            *first_lines(self.output.strip().splitlines(), _MOST_LINES)])


class ScriptletListener(Protocol):
    """Receives the scriptlets of a transaction as they end."""

    def scriptlet_ran(self, scriptlet: Scriptlet, changed: Sequence[str]) -> None:
        """Take note of a scriptlet that ended, and of the paths that changed meanwhile."""

    def scriptlet_failed(self, failed: FailedScriptlet) -> None:
        """Take note of a scriptlet that failed, after its end."""


@dataclass
class ScriptletReport:
    """What the scriptlets of a transaction did.

    ``ran`` are all that ran, in order; ``failed`` are those that failed; ``changed`` are the
    scriptlets that changed a path, relative to the root, by path.
    """

    ran: List[Scriptlet] = field(default_factory=list)
    failed: List[FailedScriptlet] = field(default_factory=list)
    changed: Dict[str, List[Scriptlet]] = field(default_factory=dict)

    def scriptlet_ran(self, scriptlet: Scriptlet, changed: Sequence[str]) -> None:
        """Add a scriptlet that ended."""
        self.ran.append(scriptlet)
        for path in changed:
            self.changed.setdefault(path, []).append(scriptlet)

    def scriptlet_failed(self, failed: FailedScriptlet) -> None:
        """Add a scriptlet that failed."""
        self.failed.append(failed)


@contextlib.contextmanager
def reported(listener: ScriptletListener, states: States) -> Iterator[None]:
    """Tell ``listener`` about the scriptlets of the transaction that DNF runs in the block.

    ``states`` returns the present state of every path that is watched.
    """
    original = dnf.yum.rpmtrans.RPMTransaction
    factory = functools.partial(_Callbacks, listener=listener, states=states)
    dnf.yum.rpmtrans.RPMTransaction = factory
    try:
        yield
    finally:
        dnf.yum.rpmtrans.RPMTransaction = original


class _Callbacks(dnf.yum.rpmtrans.RPMTransaction):
    """DNF's callbacks for rpm, with those about scriptlets."""

    def __init__(self, *args: object, listener: ScriptletListener, states: States,
                 **options: object) -> None:
        self._output: List[str] = []
        self._listener, self._states = listener, states
        self._before: Mapping[str, object] = {}
        super().__init__(*args, **options)
        outcome.refuse_unplanned(self.base)  # now rpm has the whole transaction, and ran nothing

    def callback(self, what: int, amount: int, total: int, key: object,
                 client_data: object) -> object:
        """Take one callback of rpm, see rpmcallback.h; ``amount`` is the tag of a scriptlet."""
        if what == rpm.RPMCALLBACK_SCRIPT_ERROR:  # DNF would name another package
            output = "".join(self._output)  # which is in DNF's log, too
            self._listener.scriptlet_failed(FailedScriptlet(
                _described(self._scriptlet(amount, key), output), output,
                fatal=total != rpm.RPMRC_OK))
            return None
        if what == rpm.RPMCALLBACK_SCRIPT_START:
            self._output.clear()
            self._before = self._look()
        result = super().callback(what, amount, total, key, client_data)
        if what == rpm.RPMCALLBACK_SCRIPT_STOP:
            before, after = self._before, self._look()
            changed = [path for path in before.keys() | after.keys()
                       if before.get(path) != after.get(path)] if before and after else []
            self._listener.scriptlet_ran(self._scriptlet(amount, key), sorted(changed))
        return result

    def _look(self) -> Mapping[str, object]:
        """Return the states, empty if they cannot be read: scriptlets make any kind of tree."""
        try:
            return self._states()
        except (NodePluginError, OSError):
            return {}

    def _scriptOutput(self) -> object:
        output = super()._scriptOutput()
        if output:
            self._output.append(dnf.i18n.ucd(output))
        return output

    def _scriptlet(self, tag: int, key: object) -> Scriptlet:
        """Return the scriptlet of a callback: ``key`` is DNF's item or the name of a package."""
        tag_name = _TRIGGERS.get(tag) or str(rpm.tagnames.get(tag, "scriptlet")).lower()
        section = tag_name[:-2] if tag_name in ("prein", "postin") else tag_name
        package = getattr(key, "pkg", None)
        if tag in _TRIGGERS:
            return Scriptlet(section, str(package.name if package else key))
        if package:
            return Scriptlet(section, str(package))
        name = str(key)
        leaving = [element for element in self._te_list[self._te_index:] + self._te_list
                   if element.N() == name and not hasattr(element.Key(), "pkg")]
        return Scriptlet(section, dnf.util._te_nevra(leaving[0]) if leaving else name)


def _described(scriptlet: Scriptlet, output: str) -> Scriptlet:
    """Return a trigger as the last line of rpm's output describes it."""
    if not scriptlet.is_trigger:
        return scriptlet
    matches = _DESCRIPTION.findall(output.strip().rpartition("\n")[2])
    return next((Scriptlet(section, nevra) for section, nevra in matches
                 if section.endswith(scriptlet.section)
                 and nevra.startswith(f"{scriptlet.package}-")), scriptlet)


def skip_of_leaving(base: DnfBase) -> None:
    """Make rpm run no scriptlets of packages that leave; triggers run."""
    for name in _SKIPPING:
        flag = getattr(rpm, f"RPMTRANS_FLAG_{name}", None)
        if flag is not None:
            base._ts.addTsFlag(flag)
