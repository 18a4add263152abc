"""The joining of all rooms into one running studio: `build(data)` makes it, `opening.run` is one start of the program."""

from studio.app.build import Studio, application, build

__all__ = ["Studio", "application", "build"]
