"""From a plan to a job: which operators run, in which stages, over which edges."""
