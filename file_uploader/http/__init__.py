"""HTTP over the stores: parse, call, render. `file_uploader.http.app` puts it together."""
