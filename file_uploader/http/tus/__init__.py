"""The dialect of tus 1.0.0."""
