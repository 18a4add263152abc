"""A sub-module of the plugin."""


def louder(text: str, marks: int) -> str:
    """In capitals, with exclamation marks."""
    return text.upper() + "!" * marks
