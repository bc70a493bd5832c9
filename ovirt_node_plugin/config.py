"""The options of node-plugin.conf and their defaults."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Tuple

from .errors import UsageError
from .plugin.library import FOLDERS
from .registry.rules import LEVELS
from .registry.trust_level import TrustLevel, read_level

# Plugins of dnf that, by their sources, act on the machine on which dnf runs, whatever the
# root: they copy packages, run programs, change boot files, take snapshots or
# report packages there, or write the machine's own repositories and locks into the root.
OTHERS_OFF = (
    "enabled-repos-upload", "etckeeper", "expired-pgp-keys", "generate-completion-cache",
    "imgbased-persist", "kpatch", "local", "package-upload", "post-transaction-actions",
    "pre-transaction-actions", "product-id", "rebuildinitrd", "rpmconf", "snapper",
    "subscription-manager", "tracer", "tracer-upload", "versionlock")

WARN, RESTORE, REFUSE = "warn", "restore", "refuse"
"""The values of ``upgrade``."""
_YES = {"1", "yes", "true", "on"}
_NO = {"0", "no", "false", "off"}


@dataclass(frozen=True)
class Config:
    """The options of ``/etc/dnf/plugins/node-plugin.conf``; see dnf-node-plugin(8).

    ``bind_all``: the core policy applies to every dnf transaction on a node, not only to
    those of ``dnf node-plugin``. ``live``: a booted node may be changed.
    ``live_allow``: globs of package names that may be changed on a booted node.
    ``isolation``: programs of a root other than the running system are isolated from this
    machine. ``isolation_allow``: globs of names of packages that may have device nodes, and
    scriptlets in which rpm expands macros.
    ``library``: folders of bundles; new bundles are written to the first.
    ``core_lists``: folders with lists of core packages.
    ``allowed_paths``: how files outside the allowed paths are treated: ``enforce``,
    ``warn``, ``off``, or ``auto``, which enforces on a node and warns on a host.
    ``path_lists``: folders with the administrator's rules for these paths.
    ``parameters``: folders with the site's values of parameters.
    ``others_off``: globs of other dnf plugins that are disabled while ``dnf node-plugin``
    works on a root other than the running system.
    ``upgrade``: what happens on a running node after an upgrade to an image without its
    plugins: ``warn``, ``restore``, which installs them into the new layer, or ``refuse``.
    ``trust``: the level of trust below which no plugin is installed. ``vendors``: folders with
    the keys that the site has bound to vendors.
    ``catalog``: the paths or URLs of the site's catalogs, the first decides; ``catalog_key``:
    for each the file of the keys that sign it. ``catalog_copies``: the folder of copies.
    """

    bind_all: bool = True
    live: bool = False
    isolation: bool = True
    isolation_allow: Tuple[str, ...] = ()
    live_allow: Tuple[str, ...] = ("ovirt-node-ng-image-update",)
    library: Tuple[Path, ...] = FOLDERS
    core_lists: Tuple[Path, ...] = (Path("/etc/ovirt-node-plugin/core.d"),)
    allowed_paths: str = "auto"
    path_lists: Tuple[Path, ...] = (Path("/etc/ovirt-node-plugin/paths.d"),)
    parameters: Tuple[Path, ...] = (Path("/etc/ovirt-node-plugin/parameters.d"),)
    others_off: Tuple[str, ...] = OTHERS_OFF
    upgrade: str = WARN
    trust: TrustLevel = TrustLevel.ANY
    vendors: Tuple[Path, ...] = (Path("/etc/ovirt-node-plugin/vendors.d"),)
    catalog: Tuple[str, ...] = ()
    catalog_key: Tuple[str, ...] = ()
    catalog_copies: Path = Path("/var/lib/ovirt-node-plugin/catalogs")


def read_config(options: Mapping[str, str]) -> Config:
    """Return the configuration in the ``[main]`` section ``options``.

    Raises UsageError for a value that an option does not accept.
    """
    default = Config()
    bind = options.get("node_policy", "all").strip().lower()
    if bind not in ("all", "plugins"):
        raise _bad("node_policy", bind, "all or plugins")
    paths = options.get("allowed_paths", default.allowed_paths).strip().lower()
    if paths not in ("auto", "enforce", "warn", "off"):
        raise _bad("allowed_paths", paths, "auto, enforce, warn or off")
    upgrade = options.get("upgrade", default.upgrade).strip().lower()
    if upgrade not in (WARN, RESTORE, REFUSE):
        raise _bad("upgrade", upgrade, "warn, restore or refuse")
    trust = options.get("trust", default.trust.word).strip().lower()
    if trust not in LEVELS:
        raise _bad("trust", trust, "any, signed, vendor or catalog")
    return Config(
        bind_all=bind == "all",
        live=_flag(options, "live", default.live),
        isolation=_flag(options, "isolation", default.isolation),
        isolation_allow=_words_or_none(options, "isolation_allow"),
        live_allow=_words(options, "live_allow", default.live_allow),
        library=_folders(options, "library", default.library),
        core_lists=_folders(options, "core_lists", default.core_lists),
        allowed_paths=paths,
        path_lists=_folders(options, "path_lists", default.path_lists),
        parameters=_folders(options, "parameters", default.parameters),
        others_off=read_others_off(options),
        upgrade=upgrade,
        trust=read_level(trust),
        vendors=_folders(options, "vendors", default.vendors),
        catalog=_words_or_none(options, "catalog"),
        catalog_key=_words_or_none(options, "catalog_key"),
        catalog_copies=_folders(options, "catalog_copies", (default.catalog_copies,))[0])


def read_others_off(options: Mapping[str, str]) -> Tuple[str, ...]:
    """Return the globs of ``others_off``; invalid values of other options do not matter."""
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


def _words_or_none(options: Mapping[str, str], name: str) -> Tuple[str, ...]:
    return tuple(word for word in _words(options, name, ()) if word != "none")


def _folders(options: Mapping[str, str], name: str,
             default: Tuple[Path, ...]) -> Tuple[Path, ...]:
    folders = tuple(Path(word) for word in _words(options, name, ()))
    for folder in folders:
        if not folder.is_absolute():
            raise _bad(name, str(folder), "absolute folders")
    return folders or default


def _bad(name: str, value: str, expected: str) -> UsageError:
    return UsageError(f"node-plugin.conf: {name} = {value!r}, expected {expected}",
                      hint="Correct /etc/dnf/plugins/node-plugin.conf; its comments say how.")
