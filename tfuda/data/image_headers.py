"""Read from a picture's header how much work decoding takes, because a small file can ask for gigabytes.

All functions are TensorFlow ops, so that an exported model checks its input too. A picture may have at most LARGEST
pixels, summed over the frames of an animation, because decoders unpack all frames. Each pass of a progressive JPEG
costs a few bytes of the file and the time of all pixels, so the passes are limited as well.
"""

from __future__ import annotations

import tensorflow as tf

LARGEST = 1024**3 // 4 // 3  # pixels: 256 MB in memory; Pillow warns above this size
PASSES = 64  # passes over LARGEST pixels; a progressive JPEG has some ten
SCAN = 10  # bytes of a scan's header
REFUSED = f"1 to {LARGEST} pixels are allowed, and its header says (pixels, passes over them):"


def check_allowed(data: tf.Tensor, pixels: tf.Tensor, passes: tf.Tensor | int = 1) -> tf.Tensor:
    """Return the bytes, or raise InvalidArgumentError if a picture is too large.

    Args:
        data: the file, string scalar.
        pixels: int64 scalar.
        passes: passes over the pixels, int64 scalar.
    """
    fits = (pixels > 0) & (pixels <= LARGEST) & (pixels * passes <= LARGEST * PASSES)
    with tf.control_dependencies(told_size(fits, REFUSED, pixels, tf.cast(passes, tf.int64))):
        return tf.identity(data)


def told_size(condition: tf.Tensor, *words) -> list[tf.Operation]:
    """Assert `condition`, with `words` as the message.

    tf.debugging.Assert would add a branch that takes longer than the rest of the check.
    """
    operation = tf.raw_ops.Assert(condition=condition, data=[tf.convert_to_tensor(word) for word in words])
    return [] if operation is None else [operation]  # None in eager mode: it has been checked already


def jpeg(data: tf.Tensor) -> tf.Tensor:
    """Return the bytes (string scalar) of a JPEG file, if its size and its passes are allowed."""
    shape = tf.io.extract_jpeg_shape(data, tf.int64)
    pixels, most = shape[0] * shape[1], tf.strings.length(data) // SCAN

    def scans():  # counted by the marker and the upper byte of the length
        return tf.size(tf.strings.split(data, b"\xff\xda\x00"), tf.int64)

    few = pixels * tf.cast(most, tf.int64) <= LARGEST * PASSES
    return check_allowed(data, pixels, tf.cond(few, lambda: tf.ones([], tf.int64), scans))


@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def other(data: tf.Tensor) -> tf.Tensor:
    """Return the bytes (string scalar) of a PNG, BMP, GIF or WebP file, if its size is allowed; refuse others."""
    start = tf.strings.join([tf.strings.substr(data, 0, 32), b"\0" * 32])
    byte = tf.cast(tf.io.decode_raw(start, tf.uint8), tf.int64)  # [32..64]

    def number(*places: int) -> tf.Tensor:
        """Read an integer from bytes, lowest byte first."""
        return tf.add_n([byte[at] * 256**i for i, at in enumerate(places)])

    def begins(word: bytes, at: int = 0) -> tf.Tensor:
        return tf.equal(tf.strings.substr(start, at, len(word)), word)

    def unknown() -> tf.Tensor:
        no = tf.constant(False)
        with tf.control_dependencies(told_size(no, "the file is not a JPEG, PNG, BMP, GIF or WebP picture")):
            return tf.zeros([], tf.int64)

    def bmp() -> tf.Tensor:
        height = number(22, 23, 24, 25)
        height = tf.minimum(height, 2**32 - height)  # negative if the first row is at the top
        at = tf.cast(tf.minimum(14 + number(14, 15, 16, 17), 2**16), tf.int32)  # of the palette
        palette = tf.strings.substr(tf.strings.join([data, b"\0" * (2**16 + 1024)]), at, 1024)
        colours = tf.reshape(tf.io.decode_raw(palette, tf.uint8), [256, 4])[:, :3]
        grey = tf.reduce_all(colours == tf.cast(tf.range(256)[:, None], tf.uint8))
        # TensorFlow takes the numbers of colours for greys, and knows headers of 40 bytes and more alone
        plain = ((number(28, 29) > 8) | grey) & (number(14, 15, 16, 17) >= 40)
        with tf.control_dependencies(told_size(plain & (number(30) % 3 == 0), "a BMP with a palette or compressed")):
            return number(18, 19, 20, 21) * height

    def webp() -> tf.Tensor:
        lossless = number(21, 22, 23, 24)
        return tf.case(
            [
                (begins(b"VP8X", 12), lambda: (number(24, 25, 26) + 1) * (number(27, 28, 29) + 1)),
                (begins(b"VP8L", 12), lambda: (lossless % 2**14 + 1) * (lossless // 2**14 % 2**14 + 1)),
                (begins(b"VP8 ", 12), lambda: (number(26, 27) % 2**14) * (number(28, 29) % 2**14)),
            ],
            default=unknown,
        )

    pixels = tf.case(
        [
            (begins(b"\x89PNG\r\n\x1a\n"), lambda: number(19, 18, 17, 16) * number(23, 22, 21, 20)),
            (begins(b"BM"), bmp),
            (begins(b"GIF8"), lambda: gif(data)),
            (begins(b"RIFF") & begins(b"WEBP", 8), webp),
        ],
        default=unknown,
    )
    return check_allowed(data, pixels)


def gif(data: tf.Tensor) -> tf.Tensor:
    """Count the pixels of a GIF's screen and all frames, int64 scalar, block by block up to the end or LARGEST."""
    # zeros after the end are empty blocks, in which the walk ends
    byte, end = tf.io.decode_raw(tf.strings.join([data, b"\0" * 1024]), tf.uint8), tf.strings.length(data)

    def number(at: tf.Tensor) -> tf.Tensor:
        return tf.cast(byte[at], tf.int64) + 256 * tf.cast(byte[at + 1], tf.int64)

    def table(at: tf.Tensor) -> tf.Tensor:
        """Return the size in bytes of the colour table that a byte of flags announces."""
        flags = tf.cast(byte[at], tf.int32)
        return tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)

    def step(at, inside, pixels):
        """Read the next block, or 64 parts of a block at a time, because most parts have 255 bytes.

        inside: True if `at` is at the length byte of a block's part
        """
        kind = tf.cast(byte[at], tf.int32)
        ahead = tf.gather(byte, tf.minimum(at + 256 * tf.range(64), end))
        full = tf.reduce_sum(tf.math.cumprod(tf.cast(ahead == 255, tf.int32)))
        frame = ~inside & (kind == 0x2C)
        known = frame | (kind == 0x21)
        over = tf.where(frame, 11 + table(at + 9), tf.where(known, 2, end))
        pixels += tf.where(frame, number(at + 5) * number(at + 7), 0)
        at += tf.where(inside, tf.where(full > 0, 256 * full, kind + 1), over)
        return at, tf.where(inside, kind > 0, known), pixels

    def going(at, inside, pixels):
        return (at < end) & (pixels <= LARGEST)

    start = (13 + table(tf.constant(10)), tf.constant(False), number(tf.constant(6)) * number(tf.constant(8)))
    return tf.while_loop(going, step, start)[2]
