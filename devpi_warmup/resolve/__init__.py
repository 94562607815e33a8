"""Requirements and a target become a lock, by pip's rules."""
