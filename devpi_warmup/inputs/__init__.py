"""What the user asked for, as frozen values; nothing here knows a network."""
