"""The history as it is seen: list, thumbnails, details."""
