"""Diffusion Studio: `uv run main.py` opens the window, `uv run main.py --help` lists the commands without one."""

import sys

from studio.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
