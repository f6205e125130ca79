"""Requests to S3: how they are sent, repeated and understood."""
