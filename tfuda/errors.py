"""Turn an exception into one sentence for the user of a command."""

from __future__ import annotations

import textwrap

import tensorflow as tf

from tfuda.atomic_files import no_room

EXPECTED = (ValueError, OSError, ImportError, tf.errors.OpError)  # errors in settings or in files, not in the library
LONGEST = 2000  # characters; a sentence may quote long user input


def sentence(error: Exception) -> str:
    """Return the one line that a command prints for an error."""
    if full := no_room(error):
        return full
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    text = " ".join(str(error).split())
    return textwrap.shorten(text, LONGEST, placeholder=" ...") or type(error).__name__
