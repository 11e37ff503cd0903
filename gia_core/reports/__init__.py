"""Runs as one HTML file that opens from disk without any network request; pure and without torch."""
