"""The steps of a running job, as pure state machines over batches."""
