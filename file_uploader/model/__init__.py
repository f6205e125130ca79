"""Values: names, conditions, lists and uploads, valid once they are built."""
