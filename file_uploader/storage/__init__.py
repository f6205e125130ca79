"""The stores behind one protocol; see `file_uploader.storage.base`."""
