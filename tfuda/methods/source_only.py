"""Source only: the line that adaptation has to beat (docs/methods/adversarial.md#source-only).

    L = mean over labelled images of CE(logits, label)

The target is never forwarded, so moving statistics of batch norm are the source's alone; but for a regulariser, which
reads it. With a labelled target stream (semi-supervised) it learns from source and shots together: "S + T" in the
papers' tables.
"""

from __future__ import annotations

from tfuda.core.method import Method


class SourceOnly(Method):
    def forward(self, batch):
        read = {name: stream for name, stream in batch.items() if "label" in stream or self.regulariser}
        return super().forward(read)
