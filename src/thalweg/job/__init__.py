"""What will run: stages, edges and state declarations as plain data."""
