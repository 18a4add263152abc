"""The plugin room: finds plugins, asks what they are without running them, lets in what the artist allowed, and
stands between every hook and the house. No Qt, no torch."""
