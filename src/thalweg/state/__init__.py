"""Where operators keep what they remember: the state kinds and their backends."""
