"""Where rows come from and where they go: sources, sinks and formats."""
