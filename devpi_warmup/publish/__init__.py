"""Does the server inside have it? Files are sent, shown to be there, and downloaded by pip."""
