"""Raises at import."""

raise RuntimeError("no luck today")
