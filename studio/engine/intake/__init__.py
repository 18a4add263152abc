"""The one door for weight files: what they are, where they lie, whether they are whole. No torch, nothing is loaded."""
