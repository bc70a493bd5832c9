"""Make the folder of a plugin from packages: ``ovirt-node-plugin new``."""
