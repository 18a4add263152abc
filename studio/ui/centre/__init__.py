"""The middle of the window: the picture, and what stands there before the first one."""
