"""Bytes that wait on their way to S3."""
