"""Proof by somebody else's code: pip resolves, unpacks and installs what we locked."""
