"""Two pictures side by side."""
