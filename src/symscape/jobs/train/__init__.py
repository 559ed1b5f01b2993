"""The training job: from a config to a run on disk, in one process or in one a device."""
