"""The server: gunicorn, and what this service does otherwise."""
