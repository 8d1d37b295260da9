"""From SQL text to a plan."""
