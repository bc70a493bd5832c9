"""The hooks of a DNF run: decide whether the run's policy is needed, and pass hooks on to it.

Every dnf command imports this module, and most have nothing to do with plugins. So it
imports only what DNF has imported already, not even typing, and it imports the policy when
there is something for it to do.
"""
from __future__ import annotations

import contextlib
import os

import rpm

from . import start

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing's own constant would cost the import of typing
    from typing import Callable, Dict, Iterable, Optional

    from .dnf_types import DnfBase
    from .policy import RunPolicy


class Gate:
    """The hooks of one DNF run on ``base``; its RunPolicy is made when it is needed.

    ``read_options`` returns the options of node-plugin.conf; ``options`` are the
    parsed arguments, None where DNF runs as a library; ``plugin_run`` says that
    the command is ``dnf node-plugin``.
    """

    def __init__(self, base: DnfBase, read_options: Callable[[], Dict[str, str]], *,
                 options: object, plugin_run: bool) -> None:
        self._base = base
        self._read_options = read_options
        self._options = options
        self._plugin_run = plugin_run
        self._policy: Optional[RunPolicy] = None
        self._began = False
        self._default = rpm.expandMacro("%{?_dbpath}")
        self._programs = contextlib.ExitStack()

    @property
    def policy(self) -> RunPolicy:
        """The policy of this run, which is made at the first use."""
        if self._policy is None:
            from ..config import read_config
            from .policy import RunPolicy
            self._policy = RunPolicy(self._base, read_config(self._read_options()),
                                     options=self._options, plugin_run=self._plugin_run)
        return self._policy

    def take_notes(self) -> Iterable[str]:
        """Return the notes for the user since the last call."""
        return self._policy.take_notes() if self._policy is not None else ()

    def before_repos(self) -> None:
        """Hook pre_config: before DNF reads its repositories."""
        self._began = True
        root = self._base.conf.installroot
        start.refuse_repo_files(self._base.conf.reposdir)
        folders = self._read_options().get("library", "").replace(",", " ").split() or start.LIBRARY
        if (self._plugin_run or start.has_entries(folders)
                or not start.point_rpm_at(root)):
            self.policy.before_repos()
        else:
            start.find_releasever(self._base)

    def after_repos(self) -> None:
        """Hook config: DNF has read its repositories and knows which are enabled."""
        if not self._began:  # a program that does not call this hook
            self.before_repos()
        enabled = list(self._base.repos.iter_enabled())
        if (self._policy is None
                and not any(start.carries_descriptor(repo) for repo in enabled)
                and not start.records_name(self._base.conf.installroot,
                                           [repo.id for repo in enabled])):
            for repo in enabled:
                repo.add_metadata_type_to_download(start.METADATA_TYPE)
                repo.add_metadata_type_to_download(start.FILES_METADATA_TYPE)
        else:
            self.policy.after_repos()

    def after_sack(self, *, transaction: bool) -> None:
        """Hook sack: metadata is loaded; ``transaction`` tells whether packages may change."""
        if (transaction or self._policy is not None
                or any(repo.get_metadata_path(start.METADATA_TYPE)
                       for repo in self._base.repos.iter_enabled())):
            self.policy.after_sack(transaction=transaction)

    def after_solve(self) -> None:
        """Hook resolved: the transaction is solved; DNF checks signatures next."""
        self.policy.after_solve()
        database = rpm.expandMacro("%{?_dbpath}")
        if not self._plugin_run and self._base.transaction and database != self._default:
            from .rpmdb import programs_pointed_at
            self._programs.close()
            self._programs.enter_context(programs_pointed_at(database.lstrip("/")))

    def before_transaction(self) -> None:
        """Hook pre_transaction: restore the environment, which scriptlets get."""
        self._programs.close()

    def replaces_image(self) -> bool:
        """Return whether the transaction brings another image to a booted node with plugins."""
        root, transaction = self._base.conf.installroot, self._base.transaction
        return (transaction is not None
                and any(package.name == start.IMAGE_UPDATE for package in transaction.install_set)
                and start.has_entries(os.path.join(root, name) for name in start.REGISTRIES)
                and self.policy.target.is_node and self.policy.target.booted)
