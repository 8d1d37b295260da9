"""Let running jobs be listed, asked and stopped from other processes of the same user."""

from thalweg.session.control.client import Answer, JobInfo, ask, running_jobs
from thalweg.session.control.server import listening

__all__ = ["Answer", "JobInfo", "ask", "listening", "running_jobs"]
