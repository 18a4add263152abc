"""Plain values that everybody may know. Standard library only."""
