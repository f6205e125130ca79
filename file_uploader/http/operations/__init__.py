"""What operators and their programs ask for."""
