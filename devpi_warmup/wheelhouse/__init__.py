"""What crosses the gap: files, locks, the manifest, and what is judged by them."""
