"""LightningModule, callbacks, schedules and loggers: the room that knows Lightning."""
