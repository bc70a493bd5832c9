"""Set and check the SELinux labels of changed paths, by the policy in their root.

matchpathcon(8) of this machine reads a copy of the root's file contexts. So no program of the
root runs, and file_contexts.bin, which may be outdated, is not read. setfiles(8) would also
label unchanged files below a changed folder.
"""
from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ...compare.trees import REMOVED, Difference
from ...errors import CommandError, NodePluginError, OutsideRoot
from ...images.image import Layout
from ...images.squashfs.squashfs import NO_XATTRS
from ...registry import store
from ...settings.selinux import selinux_store
from ...system.entries import LABEL, read_xattrs
from ...system.limits import FILE_CONTEXTS_BYTES, LABELS_S
from ...system.paths import read_inside, resolve_inside
from ...system.regular_files import opened_regular, same_content
from ...system.run import Runner, require_program, time_limited
from ...system.words import count

# selabel_file(5); the first one is needed
_FOLDER = "contexts/files"
_FILES = tuple(f"file_contexts{suffix}"
               for suffix in ("", ".homedirs", ".local", ".subs", ".subs_dist"))
# matchpathcon(8), -m
_TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "lnk_file",
          stat.S_IFCHR: "chr_file", stat.S_IFBLK: "blk_file", stat.S_IFIFO: "pipe",
          stat.S_IFSOCK: "sock_file"}
_NO_LABEL = "<<none>>"
_ARGUMENTS_BYTES = 1 << 20  # for one program; execve(2) permits 2 MiB


@dataclass(frozen=True)
class Labels:
    """The labels that changed paths got by a root's policy.

    ``policy`` is its name, such as ``targeted``; ``paths`` are sorted. ``without``
    are those for which the policy has no label. ``failure`` is why none was labelled, empty
    otherwise.
    """

    policy: str
    paths: Tuple[str, ...] = ()
    without: Tuple[str, ...] = ()
    failure: str = ""

    @property
    def note(self) -> str:
        """The note for people on a failure, empty without one."""
        return self.failure and (
            f"No SELinux labels are set or compared by the image's policy {self.policy}:"
            f" {self.failure}")


def can_store(layout: Layout) -> bool:
    """Return whether an image of this form keeps labels: a squashfs may be without attributes."""
    return layout.filesystem is not None or layout.squashfs is None or not (
        layout.squashfs.flags & NO_XATTRS)


def policy_of(root: Path) -> str:
    """Return the name of the SELinux policy in ``root``, empty if there is none."""
    policy = selinux_store.find(root)
    contexts = resolve_inside(root, f"{policy.built}/{_FOLDER}/{_FILES[0]}")
    return policy.policy if policy.policy and contexts.is_file() else ""


def forecast(layout: Layout, root: Path) -> str:
    """Return the note of a merge that cannot label the image's ``root``, empty if it can."""
    policy = policy_of(root) if can_store(layout) else ""
    try:
        require_program("matchpathcon")
    except CommandError as exc:
        return _failed(policy, exc, root).note if policy else ""
    return ""


def paths_to_label(changes: Mapping[str, Difference], old: Path, new: Path,
                   claimed: Collection[str]) -> List[str]:
    """Return the paths in ``new`` that were added or replaced; ``changes`` are those since ``old``.

    A file that was written again with the same content keeps its label. A path that a removal
    restored keeps the label from before the plugin, which the undo data in ``old`` has, unless it
    is among the paths ``claimed`` by plugins in ``new``.
    """
    restored: Dict[str, Set[Optional[str]]] = {}
    for name in store.names(old):
        for change in store.read_undo_data(old, name).state.all_changes:
            if change.before is not None and change.path not in claimed:
                restored.setdefault(change.path, set()).add(
                    _text(dict(change.before.xattrs).get(LABEL)))
    return [path for path, change in changes.items() if change.kind != REMOVED
            and (path not in restored or _label_of(new / path) not in restored[path])
            and not _is_rewritten(change, old, new)]


def _is_rewritten(change: Difference, old: Path, new: Path) -> bool:
    """Return whether only the time of a file changed; all policy modules are such files."""
    if not all(detail.startswith("mtime ") for detail in change.details) or not change.details:
        return False
    with opened_regular(old / change.path) as before, opened_regular(new / change.path) as after:
        return same_content(before, after)


def set_labels(root: Path, paths: Sequence[str], work: Path, *, run: Runner) -> Optional[Labels]:
    """Label ``paths`` in ``root`` by its policy; return None if it has no policy.

    Paths for which the policy has no label stay as they are. ``work`` is an empty folder.
    """
    policy = policy_of(root)
    if not policy:
        return None
    try:
        labels = _labels(root, paths, _copy_contexts(root, work), run)
        _write(root, labels)
    except (CommandError, OutsideRoot) as exc:
        return _failed(policy, exc, work)
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        path = str(exc.filename).replace(str(root), "", 1)
        return Labels(policy, failure=f"{path}: {exc.strerror}")
    return Labels(policy, tuple(sorted(labels)), tuple(sorted(set(paths) - set(labels))))


def _write(root: Path, labels: Mapping[str, str]) -> None:
    """Write ``labels``. After an OSError, each path has its old label again.

    On a machine with SELinux, a label can be invalid by the policy of the machine.
    """
    before: Dict[str, Optional[bytes]] = {}
    try:
        for path, label in labels.items():
            old = dict(read_xattrs(root / path)).get(LABEL)
            if _text(old) != label:
                os.setxattr(root / path, LABEL, label.encode() + b"\0", follow_symlinks=False)
                before[path] = old
    except OSError:
        for path, old in before.items():
            if old is None:
                os.removexattr(root / path, LABEL, follow_symlinks=False)
            else:
                os.setxattr(root / path, LABEL, old, follow_symlinks=False)
        raise


def _failed(policy: str, exc: NodePluginError, work: Path) -> Labels:
    """Return the failure as one line, with the names in the root for the copies in ``work``."""
    message = exc.message.replace(f"{work}/", f"/etc/selinux/{policy}/{_FOLDER}/")
    message = " ".join(dict.fromkeys(" ".join(line.split()) for line in message.splitlines()))
    return Labels(policy, failure=f"{message}. {exc.hint}" if exc.hint else message)


def wrong_labels(root: Path, labels: Labels, work: Path, *, run: Runner) -> Iterator[str]:
    """Yield what is wrong with labels in ``root``, which has them by its own policy.

    ``work`` is an empty folder. Raises CommandError if matchpathcon(8) fails.
    """
    if policy_of(root) != labels.policy:
        yield f"the SELinux policy {labels.policy} is missing"
        return
    wanted = _labels(root, labels.paths, _copy_contexts(root, work), run)
    for path in labels.paths:
        label = _label_of(root / path)
        if path in wanted and label != wanted[path]:
            shown = path if path.isprintable() else ascii(path)
            yield (f"/{shown} has {f'the SELinux label {label}' if label else 'no SELinux label'},"
                   f" not {wanted[path]}")


def _copy_contexts(root: Path, work: Path) -> Path:
    """Copy the file contexts of a root's policy to ``work``; return their path."""
    policy = selinux_store.find(root)
    for name in _FILES:
        try:
            content = read_inside(root, f"{policy.built}/{_FOLDER}/{name}",
                                  max_bytes=FILE_CONTEXTS_BYTES)
        except FileNotFoundError:
            continue
        (work / name).write_bytes(content)
    return work / _FILES[0]


def _labels(root: Path, paths: Sequence[str], contexts: Path, run: Runner) -> Dict[str, str]:
    """Return the labels of existing ``paths``, without those for which the policy has none.

    The names of one file have the label of the first one.
    """
    first: Dict[Tuple[int, int], str] = {}
    names: Dict[str, str] = {}
    by_type: Dict[str, List[str]] = {}
    for path in sorted(paths):
        try:
            info = os.lstat(root / path)
        except FileNotFoundError:
            continue
        names[path] = path if stat.S_ISDIR(info.st_mode) else first.setdefault(
            (info.st_dev, info.st_ino), path)
        if names[path] == path:
            by_type.setdefault(_TYPES[stat.S_IFMT(info.st_mode)], []).append(path)
    labels = {path: label for file_type, group in by_type.items()
              for path, label in _matches(group, file_type, contexts, run)}
    return {path: labels[name] for path, name in names.items() if labels[name] != _NO_LABEL}


def _matches(paths: Sequence[str], file_type: str, contexts: Path,
             run: Runner) -> Iterator[Tuple[str, str]]:
    """Yield each path of one type with its label in the file contexts, or _NO_LABEL."""
    for part in _parts([("/" + path) if path != "." else "/" for path in paths]):
        # regular expressions of file contexts can take very long
        output = run(time_limited(["matchpathcon", "-N", "-n", "-m", file_type, "-f", contexts,
                                   *part], most_s=LABELS_S))
        labels = output.split("\n")[:-1]
        if len(labels) != len(part):
            raise CommandError(f"matchpathcon printed {count(len(labels), 'label')} for"
                               f" {count(len(part), 'path')}", argv=["matchpathcon"],
                               returncode=0)
        yield from zip(paths, labels)
        paths = paths[len(part):]


def _parts(words: Sequence[str]) -> Iterator[List[str]]:
    """Yield parts of ``words`` that are short enough for the arguments of a program."""
    part: List[str] = []
    size_bytes = 0
    for word in words:
        word_bytes = len(os.fsencode(word)) + 1 + 8  # and the pointer to it
        if part and size_bytes + word_bytes > _ARGUMENTS_BYTES:
            yield part
            part, size_bytes = [], 0
        part.append(word)
        size_bytes += word_bytes
    if part:
        yield part


def _label_of(path: Path) -> Optional[str]:
    return _text(dict(read_xattrs(path)).get(LABEL))


def _text(value: Optional[bytes]) -> Optional[str]:
    """Return the value of the attribute as text, None if there is none."""
    return None if value is None else value.rstrip(b"\0").decode(errors="replace")
