"""Running workers: processes under supervision, checkpoint and restore."""
