"""Sdists of projects that are listed become wheels, once, offline."""
