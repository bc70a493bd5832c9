"""The options of node-plugin.conf, each with its default."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Tuple

from .errors import UsageError
from .plugin.library import FOLDERS

# Plugins of dnf that act on the machine on which dnf runs, whatever root it works on, as
# their sources show: they copy packages, run programs, change boot files, take snapshots or
# report packages there, or write the machine's own repositories and locks into the root.
OTHERS_OFF = (
    "enabled-repos-upload", "etckeeper", "expired-pgp-keys", "generate-completion-cache",
    "imgbased-persist", "kpatch", "local", "package-upload", "post-transaction-actions",
    "pre-transaction-actions", "product-id", "rebuildinitrd", "rpmconf", "snapper",
    "subscription-manager", "tracer", "tracer-upload", "versionlock")

_YES = {"1", "yes", "true", "on"}
_NO = {"0", "no", "false", "off"}


@dataclass(frozen=True)
class Config:
    """What ``/etc/dnf/plugins/node-plugin.conf`` says; see dnf-node-plugin(8).

    ``bind_all``: the core policy binds every dnf transaction on a node, not only
    those of ``dnf node-plugin``. ``live``: a booted node may be changed.
    ``live_allow``: package name globs that a booted node lets through.
    ``library``: folders of bundles, the first one is written to.
    ``core_lists``: folders of core package lists.
    ``allowed_paths``: what becomes of files outside the allowed paths: ``enforce``,
    ``warn``, ``off``, or ``auto``: enforce on a node, warn on a host. ``path_lists``:
    folders of the administrator's own rules for them. ``others_off``: name globs of other
    dnf plugins that take no part while ``dnf node-plugin`` works on a root other than the
    running system.
    """

    bind_all: bool = True
    live: bool = False
    live_allow: Tuple[str, ...] = ("ovirt-node-ng-image-update",)
    library: Tuple[Path, ...] = FOLDERS
    core_lists: Tuple[Path, ...] = (Path("/etc/ovirt-node-plugin/core.d"),)
    allowed_paths: str = "auto"
    path_lists: Tuple[Path, ...] = (Path("/etc/ovirt-node-plugin/paths.d"),)
    others_off: Tuple[str, ...] = OTHERS_OFF


def read_config(options: Mapping[str, str]) -> Config:
    """Return the configuration that the ``[main]`` section ``options`` describes.

    Raises UsageError for a value that is not one of an option's.
    """
    default = Config()
    bind = options.get("node_policy", "all").strip().lower()
    if bind not in ("all", "plugins"):
        raise _bad("node_policy", bind, "all or plugins")
    paths = options.get("allowed_paths", default.allowed_paths).strip().lower()
    if paths not in ("auto", "enforce", "warn", "off"):
        raise _bad("allowed_paths", paths, "auto, enforce, warn or off")
    return Config(
        bind_all=bind == "all",
        live=_flag(options, "live", default.live),
        live_allow=_words(options, "live_allow", default.live_allow),
        library=_folders(options, "library", default.library),
        core_lists=_folders(options, "core_lists", default.core_lists),
        allowed_paths=paths,
        path_lists=_folders(options, "path_lists", default.path_lists),
        others_off=read_others_off(options))


def read_others_off(options: Mapping[str, str]) -> Tuple[str, ...]:
    """Return the globs of ``others_off`` alone, which no value of another option spoils."""
    return _words(options, "others_off", OTHERS_OFF)


def _flag(options: Mapping[str, str], name: str, default: bool) -> bool:
    value = options.get(name, "").strip().lower()
    if value in _YES or value in _NO:
        return value in _YES
    if value:
        raise _bad(name, value, "yes or no")
    return default


def _words(options: Mapping[str, str], name: str, default: Tuple[str, ...]) -> Tuple[str, ...]:
    if name not in options:
        return default
    return tuple(options[name].replace(",", " ").split())


def _folders(options: Mapping[str, str], name: str,
             default: Tuple[Path, ...]) -> Tuple[Path, ...]:
    found = tuple(Path(word) for word in _words(options, name, ()))
    for folder in found:
        if not folder.is_absolute():
            raise _bad(name, str(folder), "absolute folders")
    return found or default


def _bad(name: str, value: str, expected: str) -> UsageError:
    return UsageError(f"node-plugin.conf: {name} = {value!r}, expected {expected}",
                      hint="Correct /etc/dnf/plugins/node-plugin.conf; its comments say how.")
