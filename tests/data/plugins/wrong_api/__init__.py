"""For a door that does not exist."""
