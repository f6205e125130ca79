"""The dialect of the IETF's Resumable Uploads."""
