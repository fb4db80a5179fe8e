from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import babysit as bs
from babysit import data as reading
from babysit.errors import InputError
from babysit.fit import FitResult, fit
from babysit.fit.evaluation import Examples, evaluate
from babysit.fit.losses import CLASSIFICATION, REGRESSION
from babysit.measure.sampling import is_sampled

Data = tuple[Tensor, Tensor]
Same = Callable[[object, object], bool]


@pytest.fixture(autouse=True)
def _unchanged(nothing_of_the_caller_changes: None) -> None:
    pass


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> reading.Dataset:
    return reading.read("digits", reading.ReadOptions())


def classifier(inputs: int = 4, classes: int = 3, hidden: int = 16) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(0.1), nn.Linear(hidden, classes))


def quick(data: Any, model: nn.Module | None = None, **options: Any) -> FitResult:
    return fit(model or classifier(), data, **{"lr": 0.1, "epochs": 3, "batch_size": 50, **options})


# ---- what it takes ------------------------------------------------------------------------------------------------


def test_it_is_the_packages_own_name() -> None:
    assert bs.FitResult is FitResult
    assert bs.fit(classifier(), (torch.zeros(4, 4), torch.zeros(4).long()), epochs=1, watch=False).record.losses


def test_tensors_arrays_and_other_number_types_train_alike(clouds: Data, same: Same) -> None:
    x, y = clouds
    results = [
        quick(pair, validation=pair)
        for pair in (
            (x, y),
            (x.numpy(), y.numpy()),
            (x.double().numpy(), y.numpy().astype(np.int16)),
            (np.asfortranarray(x.numpy()), y.numpy().astype(np.uint8)),
        )
    ]
    for result in results[1:]:
        assert same(dict(result.model.state_dict()), dict(results[0].model.state_dict()))
        assert result.best.score == results[0].best.score


def test_read_only_arrays_are_taken_as_they_are(clouds: Data) -> None:
    x = clouds[0].numpy().copy()
    x.flags.writeable = False
    assert quick((x, clouds[1])).record.losses


def test_a_data_set_brings_its_splits(digits: reading.Dataset) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    result = fit(model, digits, lr=0.01, epochs=8, batch_size=32)
    validation = Examples(
        torch.from_numpy(digits.inputs("validation")).float(), torch.from_numpy(digits.targets("validation"))
    )
    judged = evaluate(result.model, validation, CLASSIFICATION)
    assert judged.score == result.best.score > 0.9
    assert result.record.header.classes == 10
    assert result.record.header.chance_loss == pytest.approx(math.log(10))
    assert result.record.losses[0] > 1
    assert {item.split for item in result.record.evaluations} == {"train", "validation"}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_loader(workers: int, clouds: Data) -> None:
    loader = DataLoader(TensorDataset(*clouds), batch_size=50, shuffle=True, num_workers=workers)
    state = torch.get_rng_state()
    model = classifier()
    state = torch.get_rng_state()
    result = quick(loader, model, validation=clouds)
    assert torch.equal(torch.get_rng_state(), state)
    assert result.best.score > 0.8
    assert len(result.record.losses) == 3 * 12
    header = result.record.header
    assert (header.batch_size, header.steps_per_epoch, header.total_steps) == (50, 12, 36)
    assert (header.classes, header.chance_loss) == (0, None)  # one batch does not tell
    assert {item.split for item in result.record.evaluations} == {"validation"}


def test_a_loader_trains_like_the_loop_one_would_write(clouds: Data) -> None:
    loader = DataLoader(TensorDataset(*clouds), batch_size=50)
    model, plain = nn.Linear(4, 3), nn.Linear(4, 3)
    plain.load_state_dict(model.state_dict())
    quick(loader, model, optimizer="sgd", schedule="constant", epochs=2)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, fused=True)
    for _ in range(2):
        for x, y in loader:
            loss = nn.functional.cross_entropy(plain(x), y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    assert torch.equal(model.weight, plain.weight)


@pytest.mark.parametrize("shape", [(300,), (300, 1), (300, 2)])
def test_regression(shape: tuple[int, ...], clouds: Data) -> None:
    x = clouds[0][:300]
    y = (x @ torch.arange(4.0 * (shape[-1] if len(shape) > 1 else 1)).reshape(4, -1)).reshape(shape)
    model = nn.Linear(4, math.prod(shape[1:]))
    result = quick((x, y.double().numpy()), model, validation=(x, y), lr=0.02, epochs=15)
    assert result.best.score > 0.99
    assert evaluate(model, Examples(x, y), REGRESSION).score == result.best.score
    header = result.record.header
    assert (header.task, header.classes) == ("regression", 0)
    assert header.chance_loss == pytest.approx(y.double().numpy().var(axis=0).mean(), rel=1e-5)


def test_a_loss_function_of_ones_own(clouds: Data) -> None:
    calls = 0

    def smooth(outputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return nn.functional.cross_entropy(outputs, targets, label_smoothing=0.1)

    result = quick(clouds, loss=smooth, validation=clouds)
    assert calls == 36 + 6
    assert result.best.score > 0.8
    header = result.record.header
    assert (header.loss_name, header.chance_loss, header.task) == ("smooth", None, "classification")
    assert quick(clouds, loss=nn.CrossEntropyLoss()).record.header.loss_name == "CrossEntropyLoss"


def test_a_loss_of_ones_own_chooses_the_weights_where_outputs_are_logits(clouds: Data) -> None:
    x, y = clouds[0], (clouds[1] == 0).float().unsqueeze(1)
    loss = nn.BCEWithLogitsLoss()
    result = quick((x, y), nn.Linear(4, 1), validation=(x, y), loss=loss, lr=0.5, epochs=6)
    losses = [item.loss for item in result.record.evaluations if item.split == "validation"]
    assert result.best.loss == min(losses) < losses[0]
    assert result.best.score == -result.best.loss
    assert loss(result.model(x), y).item() == pytest.approx(result.best.loss)
    assert result.diagnosis.findings == ()  # no gap between two R² of logits
    assert all(math.isnan(item.score) for item in result.record.evaluations)


def test_a_model_may_give_more_than_the_targets_say(clouds: Data) -> None:
    def likelihood(outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.gaussian_nll_loss(outputs[:, 0], targets, outputs[:, 1].exp())

    x, y = clouds[0], clouds[0].sum(dim=1)
    result = quick((x, y), nn.Linear(4, 2), validation=(x, y), loss=likelihood)
    assert result.best.score == -result.best.loss


def test_inside_autocast_it_learns_as_outside(clouds: Data) -> None:
    half, full = classifier(), classifier()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = quick(clouds, half, validation=clouds)
        found = evaluate(half, Examples(*clouds), CLASSIFICATION)
        assert torch.is_autocast_cache_enabled()
    wanted = quick(clouds, full, validation=clouds)
    assert result.best.score == found.score == pytest.approx(wanted.best.score, abs=0.03)
    assert result.record.losses == pytest.approx(wanted.record.losses, rel=0.05)


def test_images_through_convolutions() -> None:
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 3, 8, 8, generator=draw), torch.arange(64) % 2
    x[y == 1, 0] += 2
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    assert quick((x, y), model, validation=(x, y), epochs=8, batch_size=16).best.score > 0.9


class Masked(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        self.register_buffer("mask", torch.ones(1, 3, 8, 8))


@pytest.mark.parametrize("steps", ["all", "none"])
def test_the_layout_of_the_weights_is_the_callers(steps: str) -> None:
    x, y = torch.randn(32, 3, 8, 8), torch.arange(32) % 2
    model, innermost = Masked(), Masked().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if steps == "none":
        with pytest.raises(IndexError):
            quick((x, y + 2), model)
    else:
        result = quick((x, y), model, validation=(x, y), snapshots=1)
        for weights in (model.state_dict(), result.best.weights, result.polyak, *result.snapshots):
            assert save(weights)  # which wants them contiguous
        quick((x, y), innermost)
    assert all(tensor.is_contiguous() for tensor in model.state_dict().values())
    assert innermost[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert not innermost[0].weight.is_contiguous()


def test_convolutions_in_space_and_time_beside_plain_ones() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Unflatten(1, (1, 2)), nn.Conv3d(1, 2, (1, 3, 3)), nn.Flatten(), nn.Linear(64, 2)
    )
    assert quick((torch.randn(20, 1, 8, 8), torch.arange(20) % 2), model, epochs=1).record.losses


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((torch.zeros(5, 4), torch.zeros(4).long()), "as many targets as inputs, and at least one, found 5 and 4"),
        ((torch.zeros(0, 4), torch.zeros(0).long()), "found 0 and 0"),
        ((torch.zeros(2, 4), np.array(["cat", "dog"])), "expected arrays of numbers, found values of type <U3"),
        (iter([]), "expected a loader with a length"),
    ],
)
def test_data_that_cannot_be_used_is_refused(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^data: .*{message}"):
        fit(classifier(), data)


@pytest.mark.parametrize(
    "option",
    [{"lr": 0.0}, {"optimizer": "adm"}, {"schedule": "no"}, {"threads": -1}, {"epochs": 0}, {"seed": -1}],
    ids=str,
)
def test_a_bad_option_is_refused_and_leaves_no_folder(option: dict[str, Any], clouds: Data, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{next(iter(option))}: "):
        quick(clouds, out=tmp_path / "run", **option)
    assert not (tmp_path / "run").exists()


def test_a_plateau_needs_a_validation_split(clouds: Data) -> None:
    with pytest.raises(InputError, match=r"^schedule: expected a validation split for 'plateau'"):
        quick(clouds, schedule="plateau")
    assert quick(clouds, schedule="plateau", validation=clouds).best.score > 0.5


def test_a_loader_that_makes_its_own_batches(clouds: Data) -> None:
    batches = [list(range(start, start + 20)) for start in range(0, 600, 20)]
    result = quick(DataLoader(TensorDataset(*clouds), batch_sampler=batches), epochs=1)
    assert len(result.record.losses) == 30


def test_a_frozen_model_is_refused(clouds: Data) -> None:
    with pytest.raises(InputError, match=r"^model: .*unfreeze"):
        quick(clouds, classifier().requires_grad_(False))


# ---- what it gives ------------------------------------------------------------------------------------------------


def test_the_callers_random_numbers_are_left_alone_and_the_seed_decides(clouds: Data, same: Same) -> None:
    def train(seed: int) -> dict[str, Tensor]:
        return dict(quick(clouds, seed=seed, validation=clouds).model.state_dict())

    state = torch.get_rng_state()
    first = train(3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.randn(3)
    assert same(train(3), first)
    assert not same(train(4), first)


def test_watching_changes_nothing(clouds: Data, same: Same) -> None:
    watched, alone = quick(clouds, validation=clouds), quick(clouds, validation=clouds, watch=False)
    assert same(dict(watched.model.state_dict()), dict(alone.model.state_dict()))
    assert same(watched.polyak, alone.polyak)
    assert watched.record.losses == alone.record.losses
    assert [step.step for step in watched.record.steps] == [step for step in range(36) if is_sampled(step)]
    assert alone.record.steps == ()


def test_the_best_weights_are_those_of_the_best_evaluation(clouds: Data) -> None:
    held = (clouds[0][:90], clouds[1][:90])
    result = quick(clouds, validation=held, epochs=6)
    assert evaluate(result.model, Examples(*held), CLASSIFICATION).score == result.best.score
    assert result.best.score == max(item.score for item in result.record.evaluated("validation"))


def test_without_validation_the_last_weights_stay_and_patience_waits_for_ever(clouds: Data) -> None:
    result = quick(clouds, patience=1, epochs=4)
    assert len(result.record.losses) == 4 * 12
    assert (result.record.evaluations, result.best.weights) == ((), {})


def test_patience(clouds: Data) -> None:
    result = quick(clouds, validation=clouds, patience=2, epochs=60)
    (*_, last) = result.record.evaluated("validation")
    assert last.epoch == result.best.epoch + 2 < 60


def test_the_average_can_be_loaded_and_is_good(clouds: Data) -> None:
    result = quick(clouds, validation=clouds, epochs=20)
    averaged = classifier()
    averaged.load_state_dict(result.polyak)
    assert evaluate(averaged, Examples(*clouds), CLASSIFICATION).score > result.best.score - 0.02


def test_snapshots_are_kept_where_they_are_asked_for(clouds: Data) -> None:
    assert quick(clouds, epochs=4).snapshots == ()
    result = quick(clouds, epochs=4, snapshots=2)
    assert len(result.snapshots) == 2
    # without a validation split the model has the last weights, which are the last snapshot
    for name, weights in result.model.state_dict().items():
        assert torch.equal(weights, result.snapshots[-1][name])


@pytest.mark.parametrize("data", ["clouds", "loader"])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_a_healthy_training_is_called_healthy(data: str, optimizer: str, clouds: Data) -> None:
    train, held = (clouds[0][:450], clouds[1][:450]), (clouds[0][450:], clouds[1][450:])
    source = train if data == "clouds" else DataLoader(TensorDataset(*train), batch_size=32, shuffle=True)
    lr = {"momentum": 0.05, "adam": 0.01}[optimizer]
    result = fit(classifier(), source, validation=held, optimizer=optimizer, lr=lr, epochs=15, batch_size=32)
    assert result.findings == ()
    assert result.diagnosis.verdict == "healthy"
    assert result.best.score > 0.85


def test_a_healthy_regression_is_called_healthy(clouds: Data) -> None:
    x = clouds[0]
    y = torch.sin(x).sum(dim=1) + 0.1 * torch.randn(600, generator=torch.Generator().manual_seed(3))
    model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
    result = fit(model, (x[:450], y[:450]), validation=(x[450:], y[450:]), lr=0.02, epochs=30, batch_size=32)
    assert result.findings == ()


def test_weights_that_are_all_zero_are_found(clouds: Data) -> None:
    model = classifier()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    codes = [finding.code for finding in fit(model, clouds, validation=clouds, epochs=10, batch_size=32).findings]
    assert codes == ["INI001"]


@pytest.mark.parametrize("lr", [1e3, 1e20])
def test_a_rate_far_too_high_is_found(lr: float, clouds: Data) -> None:
    result = quick(clouds, validation=clouds, lr=lr, optimizer="sgd", schedule="constant")
    assert result.diagnosis.verdict == "errors"
    finding = result.findings[0]
    assert finding.code in ("LOS001", "LOS002")
    assert finding.evidence
    assert finding.remedies


def test_the_configuration_of_the_working_directory_counts(
    clouds: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert quick(clouds, lr=1e6).diagnosis.verdict == "errors"
    (tmp_path / "pyproject.toml").write_text('[tool.babysit]\nselect = ["GEN"]\n')
    assert quick(clouds, lr=1e6).findings == ()
    (tmp_path / "pyproject.toml").write_text('[tool.babysit]\nignroe = ["GEN"]\n')
    model = classifier()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError, match=r"ignroe.*did you mean 'ignore'"):
        quick(clouds, model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
