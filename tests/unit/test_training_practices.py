"""Sharpness-aware steps, means of epochs, and stages that stay still: each by its formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eighteen.core.errors import RecipeError
from eighteen.core.recipe import Recipe, TrainingSection
from eighteen.models.family import build
from eighteen.training.averaging import EpochMean
from eighteen.training.freezing import check_stages, set_training
from eighteen.training.resume import Moving, Position
from eighteen.training.sharpness import climbed
from eighteen.training.swa import first_epoch, keep_mean, measure_norms

# Sharpness


class Quadratic(nn.Module):
    """Half the sum of a w^2, whose gradient is a w."""

    def __init__(self, start: list[float], curvature: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(start))
        self.curvature = torch.tensor(curvature)

    def forward(self) -> Tensor:
        return (self.curvature * self.weight**2).sum() / 2


def test_a_step_on_a_quadratic_takes_the_gradient_uphill() -> None:
    start, curvature, rho, rate = torch.tensor([3.0, -4.0]), torch.tensor([1.0, 2.0]), 0.5, 0.1
    network = Quadratic(start.tolist(), curvature.tolist())
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    torch.autograd.backward(network())
    with climbed(network, rho):
        uphill = network.weight.detach().clone()
        optimizer.zero_grad()
        torch.autograd.backward(network())
    assert torch.equal(network.weight, start), "it comes back, bit for bit"
    optimizer.step()
    gradient = curvature * start
    expected = start + rho * gradient / gradient.norm()
    torch.testing.assert_close(uphill, expected)
    torch.testing.assert_close(network.weight.detach(), start - rate * curvature * expected)


def test_a_climb_of_nothing_changes_nothing() -> None:
    network = Quadratic([0.0, 0.0], [1.0, 1.0])
    torch.autograd.backward(network())
    with climbed(network, 0.1):
        assert bool(network.weight.isfinite().all())
        assert torch.equal(network.weight, torch.zeros(2))


def test_the_second_pass_leaves_the_running_statistics_alone() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    batch = torch.randn(4, 2)
    torch.autograd.backward(network(batch).sum())
    before = {name: value.clone() for name, value in network.named_buffers()}
    with climbed(network, 0.1):
        network(batch)
    for name, value in network.named_buffers():
        assert torch.equal(value, before[name]), name
    network(batch)
    assert not torch.equal(network[1].running_mean, before["1.running_mean"])  # type: ignore[arg-type]


# Mean of epochs


def small() -> nn.Module:
    return build("test_resnet", num_classes=2)


def states(count: int) -> list[nn.Module]:
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        network = small().train()
        network(torch.randn(4, 3, 16, 16))
        made.append(network)
    return made


def test_the_mean_is_the_mean_of_the_states() -> None:
    networks = states(5)
    mean = EpochMean()
    for network in networks:
        mean.take(network)
    assert mean.count == 5
    for name, value in mean.tensors.items():
        all_of_them = [network.state_dict()[name] for network in networks]
        if value.is_floating_point():
            torch.testing.assert_close(value, torch.stack(all_of_them).mean(0), rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(value, all_of_them[-1])


def test_the_mean_agrees_with_torch() -> None:
    networks = states(3)
    theirs = torch.optim.swa_utils.AveragedModel(networks[0])
    mean = EpochMean()
    for network in networks:
        theirs.update_parameters(network)
        mean.take(network)
    for name, value in theirs.module.named_parameters():
        torch.testing.assert_close(mean.tensors[name], value.detach())


def test_norms_are_measured_as_torch_does() -> None:
    torch.manual_seed(0)
    mine, theirs = small(), small()
    theirs.load_state_dict(mine.state_dict())
    batches = [torch.randn(6, 3, 16, 16) for _ in range(4)]
    measure_norms(mine, batches)
    torch.optim.swa_utils.update_bn(batches, theirs)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[name], value)
    assert not any(module.training for module in mine.modules())
    assert {m.momentum for m in mine.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}


@pytest.mark.parametrize(
    ("epochs", "share", "first"), [(10, 0.75, 8), (10, 1.0, 10), (1, 0.5, 0), (4, 0.999, 3), (4, 0.01, 1)]
)
def test_which_epochs_are_averaged(epochs: int, share: float, first: int) -> None:
    assert first_epoch(epochs, share) == first


def kept(found: dict[str, float], best: dict[str, float] | None, select_by: str = "accuracy") -> Any:
    """What is kept, and the sentence, when the mean measures `found` and the epoch `best`."""
    networks = states(2)
    mean = EpochMean()
    for network in networks:
        mean.take(network)
    epoch = {name: torch.zeros_like(value) for name, value in networks[0].state_dict().items()}
    moving = Moving(networks[0], torch.optim.SGD(networks[0].parameters(), 0.1), None, mean, epoch)
    sentence = keep_mean(moving, Position(best=best), None, lambda _: found, select_by, 200)
    return all(torch.equal(moving.best[name], value) for name, value in mean.tensors.items()), sentence


def test_the_mean_stays_unless_validation_is_sure() -> None:
    best = {"accuracy": 0.9, "nll": 0.3, "epoch": 2.0}
    assert kept({"accuracy": 0.88, "nll": 0.4}, best)[0]
    stays, sentence = kept({"accuracy": 0.5, "nll": 1.4}, best)
    assert not stays
    assert "last 2 epochs is not kept: log loss 1.400 on validation, 0.300 in epoch 2" in sentence
    assert kept({"accuracy": 0.5, "nll": 1.4}, best, "last")[0]
    assert kept({"accuracy": 0.5, "nll": 0.2}, best, "nll")[0]
    assert not kept({"accuracy": 0.9, "nll": 0.31}, best, "nll")[0]
    assert kept({}, None)[0]


# Freezing


def learns(network: nn.Module, **settings: Any) -> list[set[str]]:
    """First parts of the names that learn, epoch by epoch."""
    found = []
    for epoch in range(4):
        set_training(network, TrainingSection(freeze_norms=False, **settings), epoch)
        names = {name.split(".")[0] for name, value in network.named_parameters() if value.requires_grad}
        found.append(names)
    return found


def test_stages_wait_for_their_epoch() -> None:
    network = small()
    everything = {name.split(".")[0] for name, _ in network.named_parameters()}
    found = learns(network, freeze_until={"backbone": 1, "layer1": 3, "conv1": 2})
    assert found == [{"fc"}, everything - {"layer1", "conv1"}, everything - {"layer1"}, everything]


def test_frozen_stages_keep_their_statistics() -> None:
    network = small()
    set_training(network, TrainingSection(freeze_norms=False, freeze_until={"layer1": 1}), 0)
    modes = {
        name: part.training for name, part in network.named_modules() if isinstance(part, nn.BatchNorm2d)
    }
    assert modes
    assert all(training != name.startswith("layer1") for name, training in modes.items())


def test_frozen_weights_do_not_decay() -> None:
    network = small()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.5)
    set_training(network, TrainingSection(freeze_norms=False, freeze_until={"layer1": 1}), 0)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    torch.autograd.backward(network(torch.randn(4, 3, 16, 16)).sum())
    optimizer.step()
    for name, value in network.named_parameters():
        if value.ndim > 1:
            assert torch.equal(value, before[name]) == name.startswith("layer1"), name


def test_unknown_stages_are_named_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"layer9, which .* has conv1, bn1, layer1.* backbone"):
        check_stages(small(), {"layer9": 1, "layer1": 1})
    with pytest.raises(RecipeError, match="freezes every part"):
        check_stages(small(), {"backbone": 1, "fc": 2})
    check_stages(small(), {"backbone": 1})


def test_the_recipe_takes_stages_from_the_command_line() -> None:
    from eighteen.core.config import load_recipe

    recipe = load_recipe(None, ["training.freeze_until={layer1 = 3, backbone = 1}"])
    assert recipe.training.freeze_until == {"layer1": 3, "backbone": 1}
    assert Recipe.model_validate(recipe.to_json()) == recipe
    with pytest.raises(RecipeError, match="greater than or equal to 1"):
        load_recipe(None, ["training.freeze_until={layer1 = 0}"])
