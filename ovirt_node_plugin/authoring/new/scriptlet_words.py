"""What scriptlets of packages do that a setting does better, found by words in their text."""
from __future__ import annotations

import re
from typing import Collection, Iterator, Pattern, Tuple

from ...packages.described import DescribedPackage
from .suggestions import Suggestion, setting

_UNIT = re.compile(r"/systemd/system/([A-Za-z0-9_.@:\\-]+\.(?:service|socket|timer|path|mount))\b")
# Programs in scriptlets, and what to say about them.
_WORDS: Tuple[Tuple[Pattern[str], str], ...] = tuple(
    (re.compile(rf"(?<![\w/.-])(?:/usr)?(?:/s?bin/)?(?:{words})\b"), text) for words, text in (
        (r"useradd|groupadd|adduser", "creates accounts, as <user> and <group> do before the"
                                      " packages are unpacked"),
        (r"firewall-cmd|firewall-offline-cmd|iptables|nft", "changes the firewall: <firewall-port>"
                                                            " and <firewall-service> do that"),
        (r"semodule|semanage|setsebool", "changes the SELinux policy: <selinux-module> and its like"
                                         " do that"),
        (r"update-ca-trust", "changes the trusted authorities: <ca-certificate> does that"),
        (r"dracut|mkinitrd", "builds an initramfs: <initramfs-driver> and <dracut-module> do that"),
        (r"grubby|grub2-mkconfig", "changes boot entries: <kernel-argument> does that"),
        (r"sysctl", "sets kernel parameters: <sysctl> does that"),
        (r"modprobe|insmod", "loads kernel modules: <kernel-module> does that, and no module can be"
                             " loaded while an image is changed"),
        (r"systemctl +(?:--[\w=-]+ +)*(?:start|restart)|service +[\w-]+ +(?:start|restart)",
         "starts services: <service> does that, and nothing can be started while an image is"
         " changed"),
        (r"dnf|yum|rpm +-[iUe]\w*", "installs packages: name them in Requires of the package"),
        (r"curl|wget", "downloads: scriptlets have no network"),
    ))


def suggestions(package: DescribedPackage, units: Collection[str]) -> Iterator[Suggestion]:
    """Yield what to know about the scriptlets of ``package``; ``units`` are in packages."""
    for unit in sorted({name for text in package.scripts.values()
                        for name in _UNIT.findall(text)} - set(units)):
        reason = (f"A scriptlet of {package.name} names /…/systemd/system/{unit}, which no package"
                  " here has: it may create that unit.")
        values = {"name": unit, "state": "enabled", "from": "scriptlet"}
        made = setting("service", values, reason)
        yield made if made.element else Suggestion(
            "", reason=f"{reason} Put it into the package, in /usr/lib/systemd/system.")
    for words, text in _WORDS:
        names = [name for name, script in package.scripts.items() if words.search(script)]
        if names:
            yield Suggestion("", reason=f"Scriptlet {', '.join(names)} of {package.name} {text}.")
