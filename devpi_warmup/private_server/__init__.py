"""The devpi-server of a run that has none: made, started, sealed."""
