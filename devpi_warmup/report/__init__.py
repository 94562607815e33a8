"""What people and machines read of a run: one file a format."""
