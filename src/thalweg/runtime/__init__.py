"""Drive the tasks of a job: threads, clocks and wires live here."""
