"""Build catalogs from bundles: ``ovirt-node-plugin catalog``."""
