"""The commands without a window: render, verify, plot, models. Each is parsed in studio.cli and answers in words or JSON."""
