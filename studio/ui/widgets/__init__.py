"""Small widgets of our own that know no state."""
