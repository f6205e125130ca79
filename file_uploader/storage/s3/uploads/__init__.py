"""Uploads in several requests, on S3."""
