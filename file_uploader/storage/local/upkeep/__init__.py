"""Looking after the data: sweeps, looks, copies."""
