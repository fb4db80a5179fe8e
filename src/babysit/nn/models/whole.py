"""The trained whole: from raw inputs to what the user asked for."""

from __future__ import annotations

from torch import Tensor, nn

from babysit.nn.preprocessing import Preprocessing, TargetScaling


class WithPreprocessing(nn.Module):
    """A network with the preprocessing it was trained on, and for regression its target scaling.

    Shapes: raw examples ``(N, *input_shape)`` (uint8 pixels, table rows with NaN, …) → ``(N, outputs)``: logits for
    classification, values in the targets' own unit for regression.

    Args:
        preprocess: Fitted on the training split.
        network: Takes what ``preprocess`` gives.
        target_scaling: Of a regression.
    """

    def __init__(
        self, preprocess: Preprocessing, network: nn.Module, target_scaling: TargetScaling | None = None
    ) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.network = network
        self.target_scaling = target_scaling

    def forward(self, x: Tensor) -> Tensor:
        """Logits or values of a batch of raw examples."""
        outputs: Tensor = self.network(self.preprocess(x))
        return outputs if self.target_scaling is None else self.target_scaling.decode(outputs)
