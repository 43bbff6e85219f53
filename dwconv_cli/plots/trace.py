"""A recording and its outputs, watched as they are filtered, so that neither is read again for a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dwconv_cli.jobs.plan import JobPlan
from dwconv_cli.layer.axes import Array
from dwconv_cli.plots.captions import captions_of
from dwconv_cli.plots.envelope import Envelope
from dwconv_cli.plots.recordings import channels_drawn, left_out

# A recording of more than so many steps of the detail also gets an overview.
_WORTH_A_DETAIL = 2.5
_LEAST_DETAIL, _DETAIL_OF_KERNEL = 150, 4


class Trace:
    """What a picture shows of a recording and its outputs: an overview, and the samples in the middle.

    Parameters
    ----------
    plan : JobPlan
    attributes : mapping
        Of the recording.
    path : str
        Of the picture, whose suffix says how many channels it has room for.
    """

    def __init__(self, plan: JobPlan, attributes: Mapping[str, Any], path: str) -> None:
        self.plan = plan
        data, layer = plan.data, plan.layer
        steps, self.strides = data.steps.stop - data.steps.start, layer.strides
        self.multiplier = layer.depth_multiplier
        self.channels = channels_drawn(data.channels, path)
        self.captions = captions_of(attributes, data.channels, plan.fs, data.dtype)
        self.remarks = left_out(data.channels, self.channels, data.batch, path)
        detail = max(_LEAST_DETAIL, _DETAIL_OF_KERNEL * layer.effective_kernel_size)
        #: Ranges of steps that are drawn side by side.
        self.parts = [slice(0, steps)]
        if steps > _WORTH_A_DETAIL * detail:
            begin = (steps - detail) // 2
            self.parts.append(slice(begin, begin + detail))
        self.raw = [Envelope(part.stop - part.start, self.channels, part.start) for part in self.parts]
        outputs = plan.data.axes.of_output(data.channels * self.multiplier).canonical_shape(plan.shape)[1]
        self.filtered = [
            Envelope(last - first, self.channels * self.multiplier, first)
            for first, last in (self._outputs(part, outputs) for part in self.parts)
        ]

    def see_input(self, recording: int, channel: int, first: int, block: Array) -> None:
        """Look at steps from `first` on, shape (recordings, steps, channels), from `recording` and `channel` on."""
        self._see(self.raw, self.channels, recording, channel, first, block)

    def see_output(self, recording: int, channel: int, first: int, block: Array) -> None:
        """Look at outputs in the same way."""
        self._see(self.filtered, self.channels * self.multiplier, recording, channel, first, block)

    def _outputs(self, part: slice, outputs: int) -> tuple[int, int]:
        """The first of the outputs whose steps are in a range, and the one behind the last."""
        first = -(-part.start // self.strides)
        return first, max(first, min(outputs, -(-part.stop // self.strides)))

    def _see(
        self, envelopes: list[Envelope], width: int, recording: int, channel: int, first: int, block: Array
    ) -> None:
        if recording == 0 and channel < width:
            for envelope in envelopes:
                envelope.add(first, block[0, :, : width - channel], channel)
