"""Diffusion Studio: `uv run main.py` opens the window, `uv run main.py --help` lists the commands without one."""

import sys

sys.dont_write_bytecode = (
    False  # torch and diffusers are 3,900 files: compiling them at every start takes half a minute
)

from studio.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
