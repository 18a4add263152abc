"""Pictures in and out of QImage. Works in any thread; Qt is only given formats that we wrote ourselves.

No QBuffer made in Python: Qt reads one while it holds the lock of its image formats, and asks Python for overridden
methods then. A window that is being painted from Python holds the interpreter and wants that lock: both wait for ever.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PySide6.QtCore import QByteArray
from PySide6.QtGui import QImage

from studio.core.errors import BadInputImage
from studio.core.pixels import Pixels

# Qt would otherwise also try svg, icns, xbm and more, by plugins that were never meant for hostile files.
SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}


def image_of(source: Pixels | bytes | Path) -> QImage:
    """A QImage of pixels, of encoded bytes or of a file. Raises `BadInputImage`. Not for pictures of unknown origin."""
    if isinstance(source, Pixels):
        stride = source.width * 3
        # copy(): the QImage would otherwise point into Python's bytes
        return QImage(source.data, source.width, source.height, stride, QImage.Format.Format_RGB888).copy()
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise BadInputImage("A picture cannot be read.", "It may have been moved or deleted.", str(error)) from None
    return _decode(data)


def png_of(image: QImage) -> bytes:
    """The image as a PNG. Raises `BadInputImage` for an empty one."""
    with tempfile.TemporaryDirectory(prefix="studio-pasted-") as folder:
        file = Path(folder) / "pasted.png"
        if image.isNull() or not image.save(str(file), "PNG", 100):  # type: ignore[call-overload]  # the stub wants bytes, Qt a name
            raise BadInputImage("The pasted picture is empty.", "Nothing was changed.")
        return file.read_bytes()


def _decode(data: bytes) -> QImage:
    kind = next((name for name, signature in SIGNATURES.items() if data.startswith(signature)), "")
    image = QImage.fromData(QByteArray(data), kind) if kind else QImage()  # type: ignore[arg-type]  # as above
    if image.isNull():
        raise BadInputImage("A picture cannot be shown.", "It may be damaged.")
    return image
