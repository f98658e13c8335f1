"""Sections of Keras docstrings that Griffe does not know, as Markdown."""

import re

import griffe

SECTION = re.compile(r"^(Example|Reference|Call arguments):\n", re.M)
ARGUMENT = re.compile(r"^(\w+): ", re.M)


class Sections(griffe.Extension):
    """Gives them the look of the others: a bold line above the text."""

    def on_object(self, *, obj, **kwargs):
        if obj.docstring:
            parts = SECTION.split(obj.docstring.value)
            titles, texts = parts[1::2], parts[2::2]
            for title, text in zip(titles, texts, strict=True):
                parts[0] += section(title, text)
            obj.docstring.value = parts[0]


def section(title, text):
    text = re.sub(r"^    ", "", text, flags=re.M) if text[0] == " " else text
    if title == "Call arguments":
        text = ARGUMENT.sub(r"- **`\1`** – ", text)
    return f"**{title}:**\n\n{text.lstrip()}"
