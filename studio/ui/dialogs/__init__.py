"""The few windows that open on top of the studio."""
