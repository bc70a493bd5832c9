"""Try plugins in images: ``ovirt-node-plugin try``."""
