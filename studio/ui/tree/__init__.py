"""The family tree: what came from what, and what changed on the way."""
