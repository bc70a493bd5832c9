"""File contexts of a SELinux policy for the small Node image, which has no policy."""
from __future__ import annotations

from pathlib import Path

from ovirt_node_plugin.system.entries import read_xattrs

# selabel_file(5). The types of changed files differ from those that the image has.
_CONTEXTS = {
    "": "/.* {}default_t\n/ -d {}root_t\n/etc(/.*)? {}etc_t\n/etc/passwd -- {}passwd_file_t\n"
        "/etc/ovirt.plugins.* {}record_t\n/usr(/.*)? {}usr_t\n/usr/lib(/.*)? {}lib_t\n"
        "/usr/share/rpm(/.*)? {}rpm_var_lib_t\n/var(/.*)? {}var_t\n/var/cache(/.*)? <<none>>\n"
        "/opt(/.*)? {}usr_t\n/opt/[^/]+/text -- {}text_t\n/opt/[^/]+/text -l {}link_t\n",
    ".local": "/opt/site(/.*)? {}site_t\n",
    ".homedirs": "/home/[^/]+ -d {}user_home_dir_t\n",
    ".subs": "/opt/alias /opt/site\n",
    ".subs_dist": "/lib64 /usr/lib\n/usr/lib64 /usr/lib\n",
    ".bin": "outdated",
}
POLICY = "targeted"
FILE_CONTEXTS = f"etc/selinux/{POLICY}/contexts/files/file_contexts"


def add_file_contexts(root: Path) -> None:
    """Add a policy to ``root``, as far as labels of files need it."""
    (root / FILE_CONTEXTS).parent.mkdir(parents=True)
    for suffix, text in _CONTEXTS.items():
        (root / f"{FILE_CONTEXTS}{suffix}").write_text(text.replace("{}", "system_u:object_r:")
                                                       .replace("_t\n", "_t:s0\n"))
    (root / "etc/selinux/config").write_text(f"SELINUX=enforcing\nSELINUXTYPE={POLICY}\n")


def label(path: Path) -> str:
    """Return the type in the label of ``path``, empty if it has no label."""
    value = dict(read_xattrs(path)).get("security.selinux")
    if value is None:
        return ""
    user, role, file_type, level = value.decode().split(":")
    assert (user, role, level) == ("system_u", "object_r", "s0\0"), value
    return file_type
