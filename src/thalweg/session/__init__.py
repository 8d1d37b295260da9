"""The one place where all parts meet: plan, optimize, place, run."""
