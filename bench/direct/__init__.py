"""The programs that are clients of a store themselves, and are measured like servers."""
