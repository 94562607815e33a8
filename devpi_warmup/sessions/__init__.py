"""What nox sees: sessions, their environments and parameters. Nothing else knows nox."""
