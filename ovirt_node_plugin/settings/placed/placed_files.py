"""Files of a plugin that are copied to a drop-in folder of the system.

These are udev rules, multipath sections, tmpfiles, logrotate files and drop-ins of units:
``PLACEMENTS`` has the folder and the checker of each.

Checkers are udevadm(8) verify, of systemd 255 and later, systemd-tmpfiles(8), which reads the
file in an empty root and changes nothing, and systemd-analyze(1) verify of the root. Others would
refuse valid files: ``logrotate --debug`` needs the users and logs of the running machine,
``multipath -t`` prints its configuration.
"""
from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Pattern, Sequence, Tuple

from ...errors import CommandError, Refused
from ...plugin.settings import PlacedFile, Setting
from ...system.entries import read_entry
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Watch
from ..kit.model import Context, Reader, SettingProblem, Stage, Wanted, changed_since
from ..kit.placing import (
    check_own,
    check_place,
    mode_of,
    place_file,
    read_source,
    refuse_by,
    unsigned,
)
from ..kit.programs import has_program
from ..services import running_units
from ..services.unit_links import find_unit
from . import tmpfiles

Checker = Callable[[Context, str, bytes], None]

_MODE = 0o644
# udevadm verify is new in 254; since 255 it can ignore style, for which a file that works
# must not be refused.
_UDEV_VERIFIES = 255


@dataclass(frozen=True)
class Placement:
    """The place of files of one kind.

    ``folder`` is relative to the root, with ``{unit}`` for the unit of a drop-in;
    ``description`` is the name to show; ``checker`` takes the path and content of the copy, and
    raises CommandError for an invalid file; ``program`` is one that the checker needs.
    ``exposes`` says why others than root can read the file, empty if they need not. ``code``
    matches where such a file has a program run.
    """

    kind: str
    folder: str
    description: str
    checker: Optional[Checker] = None
    program: str = ""
    exposes: str = ""
    code: Optional[Pattern[bytes]] = None


@dataclass(frozen=True)
class PlacedFiles:
    """A kind named after its element: key is ``NAME`` or ``UNIT/NAME``, value the source."""

    placement: Placement
    shared: bool = False
    follows_content: bool = True

    @property
    def name(self) -> str:
        """The kind's name."""
        return self.placement.kind

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, PlacedFile) or item.element != self.name:
            return ()
        key = f"{item.unit}/{item.name}" if item.unit else item.name
        code = self.placement.code
        runs = code is not None and code.search(ctx.bundle_files.get(item.source, b""))
        return (Wanted(kind=self.name, key=key, value=item.source,
                       text=f"install {self.placement.description} {key} from {item.source}"
                            f"{unsigned(item.source) if runs else ''}",
                       item=item, danger=bool(runs)),)

    def check_alone(self, wanted: Wanted, ctx: Context) -> None:
        """Refuse a source that no package has, and a file that a package has, too."""
        check_own(wanted, wanted.value, "/".join(self._place(wanted.key)), ctx,
                  exposed=self.placement.exposes)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse an existing file, and an unknown unit."""
        unit = wanted.key.partition("/")[0] if "/" in wanted.key else ""
        if unit and unit not in ctx.expected_units and find_unit(unit, ctx) is None:
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but there is no unit {unit} in"
                " the root or in the plugin's packages",
                hint="Its vendor has to correct the name, or limit the setting by <when>.")
        if self.placement.program:
            ctx.run([self.placement.program, "--version"])
        check_place(wanted, "/".join(self._place(wanted.key)), ctx, installed=installed)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key

    def state(self, wanted: Wanted, ctx: Context) -> str:
        entry = read_entry(ctx.root, "/".join(self._place(wanted.key)), content=False)
        return "absent" if entry is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(*self._place(wanted.key)),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        data = read_source(wanted, wanted.value, ctx)
        folder, name = self._place(wanted.key)
        place_file(ctx.root, folder, name, data, mode=mode_of(wanted.value, ctx, _MODE))
        if self.placement.checker is not None:
            try:
                self.placement.checker(ctx, f"{folder}/{name}", data)
            except CommandError as exc:
                if exc.returncode is None:  # the program is missing
                    raise
                refuse_by(exc, f"plugin {ctx.plugin} wants to {wanted.text}, but the system's own"
                          " checker refuses that file", wanted.value, ctx)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return changed_since(applied, ctx)

    def goal(self, key: str, value: str) -> str:
        return tmpfiles.CREATED if self.name == tmpfiles.KIND else ""

    def stage(self, goal: str) -> Stage:
        return Stage.FILES

    def running(self, key: str, ctx: Context) -> Optional[str]:
        return tmpfiles.state("/".join(self._place(key)), ctx)

    def doing(self, key: str, state: str) -> str:
        verb = "create" if state == tmpfiles.CREATED else "remove"
        return f"{verb} what tmpfiles configuration {key} describes"

    def bring(self, key: str, state: str, ctx: Context) -> None:
        tmpfiles.create("/".join(self._place(key)), ctx)

    def leave(self, key: str, was: str, after: str, ctx: Context) -> Sequence[str]:
        return tmpfiles.remove(was, ctx)

    def _place(self, key: str) -> Tuple[str, str]:
        unit, slash, name = key.rpartition("/")
        return self.placement.folder.format(unit=unit), name if slash else key


def _check_udev_rules(ctx: Context, path: str, data: bytes) -> None:
    if _udev_version(ctx) >= _UDEV_VERIFIES:
        # user names are not resolved: the root has other users than this machine
        ctx.run(["udevadm", "verify", "--resolve-names=never", "--no-summary", "--no-style",
                 resolve_inside(ctx.root, path)])


def _check_drop_in(ctx: Context, path: str, data: bytes) -> None:
    """Load the unit by the root's systemd-analyze(1), and judge the lines about the drop-in.

    Other lines are about what the unit needs and the root may not have yet. A key that this
    systemd does not know may be one of a newer systemd.
    """
    if not has_program("systemd-analyze", ctx):
        return
    unit = path.split("/")[-2][:-len(".d")]
    try:
        ctx.in_root("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "--", unit,
                    volatile=True)
    except CommandError as exc:
        lines = [line for line in exc.output.split("\n")
                 if line.startswith(f"/{path}:") and "Unknown " not in line
                 or line == f"Unit {unit} has a bad unit file setting."]
        if lines:
            raise CommandError("\n  ".join(["systemd-analyze verify says:", *lines]),
                               argv=exc.argv, returncode=exc.returncode,
                               output=exc.output) from exc


def _udev_version(ctx: Context) -> int:
    """Return the version of this machine's udevadm, 0 if it has none."""
    try:
        output = ctx.run(["udevadm", "--version"])
    except CommandError as exc:
        if exc.returncode is not None:
            raise
        return 0
    match = re.match(r"\s*(\d+)", output)
    return int(match.group(1)) if match else 0


def _check_tmpfiles(ctx: Context, path: str, data: bytes) -> None:
    """Parse every line; execute none.

    No path is below the prefix, which is a random name; anything that was executed would be
    in a temporary folder. The content is passed on standard input: with ``--root``,
    versions differ in where they look for a named file.
    """
    with tempfile.TemporaryDirectory(prefix="node-plugin-") as empty:
        ctx.run(["systemd-tmpfiles", f"--root={empty}", "--create",
                 f"--prefix=/{Path(empty).name}", "-"], stdin=data)


def _reload_udev(ctx: Context) -> None:
    if (ctx.root / "run/udev/control").exists():
        ctx.run(["udevadm", "control", "--reload"])


def _reconfigure_multipath(ctx: Context) -> None:
    if running_units.state("multipathd.service", ctx) == running_units.ACTIVE:
        ctx.run(["systemctl", "reload", "--", "multipathd.service"])


UDEV = Reader("udev", ("etc/udev", "usr/lib/udev", "lib/udev"), "reload udev's rules",
              _reload_udev)
MULTIPATH = Reader("multipath", ("etc/multipath", "etc/multipath.conf"),
                   "reconfigure multipathd", _reconfigure_multipath)
PLACEMENTS = (
    Placement("udev-rules", "etc/udev/rules.d", "udev rules", _check_udev_rules,
              code=re.compile(rb"\b(RUN|PROGRAM|IMPORT\s*\{\s*program)\b")),
    Placement("multipath-config", "etc/multipath/conf.d", "multipath configuration"),
    Placement(kind="tmpfiles", folder="etc/tmpfiles.d", description="tmpfiles configuration",
              checker=_check_tmpfiles, program="systemd-tmpfiles"),
    Placement("logrotate", "etc/logrotate.d", "logrotate configuration",
              code=re.compile(rb"^\s*(pre|post|first|last)(rotate|action|remove)\b", re.MULTILINE)),
    Placement("unit-drop-in", "etc/systemd/system/{unit}.d", "unit drop-in", _check_drop_in,
              exposes="systemctl show lets every user read the settings of a unit",
              code=re.compile(rb"^\s*Exec\w+\s*=", re.MULTILINE)),
)
KINDS: Tuple[PlacedFiles, ...] = tuple(PlacedFiles(placement) for placement in PLACEMENTS)
