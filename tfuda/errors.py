"""Say an error in one sentence, for a person who types commands."""

from __future__ import annotations

import textwrap

import tensorflow as tf

from tfuda.atomic_files import no_room

EXPECTED = (ValueError, OSError, ImportError, tf.errors.OpError)  # mistakes in what was asked for, or in files
LONGEST = 2000  # characters of a sentence, which may repeat what was given


def sentence(error: Exception) -> str:
    """Return the one line that a command prints for an error."""
    if full := no_room(error):
        return full
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    text = " ".join(str(error).split())
    return textwrap.shorten(text, LONGEST, placeholder=" ...") or type(error).__name__
