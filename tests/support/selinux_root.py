"""A small SELinux policy that the real programs build in milliseconds."""
from __future__ import annotations

from pathlib import Path

from ovirt_node_plugin.system.run import run

POLICY = "small"

STORE = f"var/lib/selinux/{POLICY}"
POLICY_FOLDER = f"etc/selinux/{POLICY}"

BASE = """
(handleunknown allow) (mls true) (policycap open_perms)
(class file (read write open relabelfrom relabelto getattr setattr))
(class dir (search)) (class tcp_socket (name_bind)) (class process (transition))
(classorder (file dir tcp_socket process))
(sid kernel) (sid security) (sid unlabeled) (sid file) (sid port)
(sidorder (kernel security unlabeled file port))
(sensitivity s0) (sensitivityorder (s0)) (category c0) (categoryorder (c0))
(sensitivitycategory s0 (c0))
(level low (s0)) (level high (s0 (c0))) (levelrange full (low high))
(role object_r) (role system_r) (user system_u)
(userrole system_u object_r) (userrole system_u system_r)
(userlevel system_u low) (userrange system_u full)
(type kernel_t) (roletype system_r kernel_t)
(typeattribute cil_gen_require) (roleattribute cil_gen_require)
(typeattribute port_type) (typeattribute file_type) (typeattribute device_node)
(type unlabeled_t) (type usr_t) (type bin_t) (type var_lib_t)
(type port_t) (type http_port_t) (type ssh_port_t)
(typeattributeset file_type (unlabeled_t usr_t bin_t var_lib_t))
(typeattributeset device_node (unlabeled_t))
(typeattributeset port_type (port_t http_port_t ssh_port_t))
(roletype object_r file_type) (roletype object_r port_type)
(typealias www_port_t) (typealiasactual www_port_t http_port_t)
(expandtypeattribute (port_type file_type device_node) false)
(context kernel (system_u system_r kernel_t (low low)))
(context unlabeled (system_u object_r unlabeled_t (low low)))
(sidcontext kernel kernel) (sidcontext security unlabeled) (sidcontext unlabeled unlabeled)
(sidcontext file unlabeled) (sidcontext port (system_u object_r port_t (low low)))
(allow kernel_t self (process (transition)))
(allow kernel_t port_type (tcp_socket (name_bind)))
(allow kernel_t file_type (file (getattr))) (allow kernel_t device_node (file (setattr)))
(boolean use_net false) (boolean use_nfs true)
(booleanif use_net (true (allow kernel_t usr_t (file (write)))))
(booleanif use_nfs (true (allow kernel_t usr_t (file (read)))))
(portcon tcp 80 (system_u object_r http_port_t (low low)))
(portcon tcp (8008 8009) (system_u object_r http_port_t (low low)))
(portcon tcp 22 (system_u object_r ssh_port_t (low low)))
(filecon "/.*" any (system_u object_r usr_t (low low)))
(filecon "/var/lib(/.*)?" any (system_u object_r var_lib_t (low low)))
(filecon "/opt/known(/.*)?" any (system_u object_r usr_t (low low)))
(selinuxuserdefault system_u (low low)) (userprefix system_u user)
"""

MODULE = """
(type acme_port_t) (typeattributeset port_type (acme_port_t)) (roletype object_r acme_port_t)
(type acme_t) (typeattributeset file_type (acme_t)) (roletype object_r acme_t)
(boolean acme_net false)
(booleanif acme_net (true (allow kernel_t acme_t (file (read)))))
"""
"""A module with a port type, a file type and a boolean."""


def add_policy(root: Path) -> Path:
    """Install the small policy in a system and make it the configured one."""
    (root / STORE / "active/modules").mkdir(parents=True)
    (root / POLICY_FOLDER).mkdir()
    (root / "etc/selinux/config").write_text(f"SELINUX=enforcing\nSELINUXTYPE={POLICY}\n")
    # semanage needs the numbers of protocols; EL's package setup contains them
    (root / "etc/protocols").write_text("tcp 6 TCP\nudp 17 UDP\ndccp 33 DCCP\nsctp 132 SCTP\n")
    (root / "tmp/base.cil").write_text(BASE)
    run(["chroot", root, "semodule", "-n", "-X", "100", "-i", "/tmp/base.cil"])
    (root / "tmp/base.cil").unlink()
    (root / POLICY_FOLDER / "contexts/files/file_contexts.subs_dist").write_text("/run /var/run\n")
    return root
