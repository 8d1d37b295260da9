"""The Nexmark benchmark's stream of people, auctions and bids."""

from thalweg.connectors.nexmark.config import PROFILES, NexmarkConfig
from thalweg.connectors.nexmark.generator import NexmarkGenerator
from thalweg.connectors.nexmark.layout import envelope_schema

__all__ = ["PROFILES", "NexmarkConfig", "NexmarkGenerator", "envelope_schema"]
