"""A service that keeps files of any size for many clients, on local disk or in S3."""

__version__ = "0.1.0"
