"""Text of strangers, made fit for a terminal or a page."""

from html import escape


def printable(text: str, most: int) -> str:
    """Without control characters, and cut to most letters."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text[: most + 1])
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def page_text(text: str, most: int = 200) -> str:
    """As printable, and escaped for HTML."""
    return escape(printable(text, most))
