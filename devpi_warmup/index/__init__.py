"""The wire: credentials, connections, pages, and what only devpi can be asked."""
