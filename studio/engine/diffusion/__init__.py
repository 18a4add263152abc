"""The heavy room: the only one that knows torch, diffusers and transformers. Entered in the engine thread, never at start.

Importing this package loads the libraries, in small pieces (see `studio.engine.libraries`): everything else in it may import them plainly.
"""

from studio.engine.libraries import load_libraries

load_libraries()
