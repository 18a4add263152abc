"""The gallery: finished pictures, their index, control pictures and thumbnails on disk. No Qt, no torch, no engine."""
