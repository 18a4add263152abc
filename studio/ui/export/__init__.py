"""Pictures on their way out: files and contact sheets."""
