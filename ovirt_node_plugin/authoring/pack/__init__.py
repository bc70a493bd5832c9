"""Make of a plugin what is published: ``ovirt-node-plugin pack``."""
