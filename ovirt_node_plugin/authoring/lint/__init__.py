"""Find everything that is wrong with a plugin: ``ovirt-node-plugin lint``."""
