"""Nothing of the plugin room is on the way to the first paint."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import sys
from pathlib import Path
from studio.app import build
studio = build(Path(sys.argv[1]))
studio.window.show()
studio.window.repaint()
print([name for name in sys.modules if name.startswith(("studio.plugins", "torch"))])
studio.close()
"""


def test_the_window_is_painted_before_plugins_are_looked_for(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=240, check=True
    )
    assert done.stdout.strip() == "[]"
