"""What is the same for everybody: the pages and the contract."""
