"""The pages about models: what is there, and getting more."""
