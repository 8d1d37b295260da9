"""Show the figures of running jobs: as a frame, as Prometheus reads them, over HTTP."""
