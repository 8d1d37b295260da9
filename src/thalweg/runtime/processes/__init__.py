"""Run the chains of tasks that call users' functions in other processes, so that these use all cores."""
