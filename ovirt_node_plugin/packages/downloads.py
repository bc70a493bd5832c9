"""Download files of the network as DNF does: with its proxy, certificates and timeouts."""
from __future__ import annotations

import contextlib
import resource
from typing import Iterator, Sequence

import dnf
import dnf.conf
import dnf.exceptions
import dnf.util

from ..errors import NodePluginError, UsageError


def main_conf(setopts: Sequence[str]) -> dnf.conf.Conf:
    """Return the configuration of this machine's DNF with options NAME=VALUE.

    Raises UsageError for an option that DNF does not have or take.
    """
    conf = dnf.conf.Conf()
    try:
        conf.read()
        for word in setopts:
            name, equals, value = word.partition("=")
            if not equals or not hasattr(conf._config, name):
                raise UsageError(f"--setopt={word} is no option of dnf.conf with its value")
            conf._config.optBinds().at(name).newString(dnf.conf.PRIO_COMMANDLINE, value)
    except (RuntimeError, dnf.exceptions.Error) as exc:
        raise UsageError(f"the configuration of dnf cannot be used: {exc}") from exc
    return conf


def download(url: str, conf: dnf.conf.Conf, *, max_bytes: int) -> bytes:
    """Return the content of a URL. Raises NodePluginError if it cannot be fetched, or is larger."""
    try:
        with _files_limited(max_bytes + 1), dnf.util._urlopen(url, conf=conf) as stream:
            data = bytes(stream.read(max_bytes + 1))
    except OSError as exc:
        raise NodePluginError(f"{url} cannot be downloaded: {exc}",
                              hint="Check the address, and proxy and sslcacert in"
                                   " /etc/dnf/dnf.conf.") from exc
    if len(data) > max_bytes:
        raise NodePluginError(f"{url} is larger than {max_bytes} bytes",
                              hint="Check the address.")
    return data


@contextlib.contextmanager
def _files_limited(most_bytes: int) -> Iterator[None]:
    """Let this process write no larger files: libcurl knows no limit of a size that is not told.

    Python ignores the signal SIGXFSZ; a write that would exceed the limit fails.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    most = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
