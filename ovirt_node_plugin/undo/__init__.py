"""What a change needs to be undone: paths before and after, snapshots, the journal."""
