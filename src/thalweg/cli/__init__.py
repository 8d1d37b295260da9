"""The command line: run, look at and stop jobs."""
