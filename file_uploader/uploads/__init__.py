"""Uploads in several requests: who may append when, and what is finished."""
