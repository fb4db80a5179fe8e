import numpy as np
import pytest

from babysit.measure.filters import paint, smoothness

RNG = np.random.default_rng(0)


def test_paint_puts_zero_at_mid_grey_and_the_largest_weight_at_the_end() -> None:
    tiles = np.array([[[[0.0, 2.0], [-2.0, 1.0]]]], dtype=np.float32)
    assert paint(tiles)[0, :, :, 0].tolist() == [[128, 255], [0, 191]]
    assert (paint(np.zeros((1, 2, 3, 3), np.float32))[..., :3] == 128).all()


def test_smoothness_is_the_correlation_of_neighbours() -> None:
    tile = RNG.normal(size=(1, 1, 200, 200)).astype(np.float32)
    rows = (tile[..., 1:, :] + tile[..., :-1, :]) / 2
    assert smoothness(tile) == pytest.approx(0, abs=0.02)
    across = np.corrcoef(rows[..., 1:].ravel(), rows[..., :-1].ravel())[0, 1]
    down = np.corrcoef(rows[..., 1:, :].ravel(), rows[..., :-1, :].ravel())[0, 1]
    assert smoothness(rows) == pytest.approx((across + down) / 2, abs=0.01)
    assert smoothness(np.ones((2, 3, 5, 5), np.float32)) == 0
