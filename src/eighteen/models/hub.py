"""Published weights by the name of a network, and what goes with them.

In goes a name of the family, out come its ImageNet weights with their licence and the preprocessing they were
made with. The cache of the Hugging Face hub is asked first; then the hub, after a look of a few seconds
whether it answers at all, because its own client keeps trying for half a minute. A start from scratch is
never chosen here: where there are no weights, there is an error that says what to do.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eighteen.core.errors import EighteenError, WeightsError
from eighteen.core.inputs import InputSpec
from eighteen.models.family import check_name

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

HUB_PATIENCE_S = 4.0
_FREE_LICENCES = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0")
_NON_COMMERCIAL = ("-nc", "noncommercial", "apple-amlr", "seer-license")


def fetch(name: str) -> Path:
    """The file of the published ImageNet weights of a network, in the hub's cache.

    Args:
        name: "resnet18" or a name of timm; without a tag timm's first choice of weights is taken.

    Raises:
        WeightsError: there are none, or neither the cache nor the hub has them to give.
    """
    published = describe(name)
    return _cached(published) or _downloaded(published)


def describe(name: str) -> PretrainedCfg:
    """What timm knows about the published weights of a network; nothing is fetched.

    Raises:
        EighteenError: there is no network of that name.
        WeightsError: none were published.
    """
    from timm.models import get_pretrained_cfg

    check_name(name)
    published = get_pretrained_cfg(name)
    if published is None or not published.hf_hub_id:
        raise WeightsError(
            f"no weights of '{name}' were published; use --weights none, --weights FILE, or another --model "
            f"('eighteen models' lists the family)"
        )
    return published


def only_size(name: str) -> int | None:
    """The one side that a network takes pictures of, pixels; None where it takes many.

    Vision transformers and their like place what they see by a table of fixed size.
    """
    from timm.models import get_pretrained_cfg

    published = get_pretrained_cfg(name)
    return published.input_size[-1] if published is not None and published.fixed_input_size else None


def licence_sentence(published: PretrainedCfg) -> str:
    """Where the weights come from, their licence, and whether it stands against commercial use."""
    licence = (published.license or "").lower()
    text = f"weights {published.hf_hub_id}, licence {licence or 'not stated'}"
    if any(word in licence for word in _NON_COMMERCIAL):
        return f"{text}: NOT for commercial use"
    if licence not in _FREE_LICENCES:
        return f"{text}: read its terms before commercial use"
    return text


def origin(name: str, weights: str) -> dict[str, str]:
    """What a shipped model says about the weights that its training started from.

    Args:
        name: of the network, with or without a tag of weights.
        weights: as the recipe names them: "none", "imagenet", or a file.

    Returns:
        `license`, "not stated" where nobody states it, and `weights_source`.
    """
    stated, source = "not stated", "a file of its maker"
    if weights == "none":
        source = "trained from scratch"
    elif weights == "imagenet":
        source = "published weights"
        # A later timm may know neither the network nor its weights.
        with suppress(EighteenError):
            published = describe(name)
            stated, source = (published.license or stated).lower(), str(published.hf_hub_id)
    return {"license": stated, "weights_source": source}


def pretrained_input(name: str) -> dict[str, Any]:
    """How pictures were prepared for the published weights.

    Returns:
        `mean` and `std` (RGB, of values in 0..1), `size` (pixels, as trained), `interpolation`, `crop_pct`
        (share of the short side that the middle crop keeps) and `crop_mode`, as timm states them.
    """
    published = describe(name)
    return {
        "mean": tuple(published.mean),
        "std": tuple(published.std),
        "size": published.input_size[-1],
        "interpolation": published.interpolation,
        "crop_pct": published.crop_pct,
        "crop_mode": published.crop_mode,
    }


def input_spec_for(name: str, size: int | None = None, channels: Literal[1, 3] = 3) -> InputSpec:
    """The preprocessing of the published weights as this package writes it down.

    Args:
        name: "resnet18" or a name of timm.
        size: side of the network's input, pixels; None keeps the one that the weights were trained on.
        channels: 3, or 1: then mean and standard deviation are the averages of the three.
    """
    published = pretrained_input(name)
    return InputSpec(
        size=size or published["size"],
        channels=channels,
        fit="squash" if published["crop_mode"] == "squash" else "crop",
        crop_fraction=published["crop_pct"],
        kernel="bilinear" if published["interpolation"] == "bilinear" else "bicubic",
        mean=for_channels(published["mean"], channels),
        std=for_channels(published["std"], channels),
    )


def for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """One value a channel: the average of all where there is one channel, or the one value for each.

    >>> for_channels((0.25, 0.5, 0.75), 1), for_channels((0.5,), 3)
    ((0.5,), (0.5, 0.5, 0.5))
    """
    if len(values) == channels:
        return values
    return (sum(values) / len(values),) * channels


def _cached(published: PretrainedCfg) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(*_address(published), local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _downloaded(published: PretrainedCfg) -> Path:
    from huggingface_hub import constants, hf_hub_download, hf_hub_url

    url = hf_hub_url(*_address(published))
    if constants.HF_HUB_OFFLINE:
        raise _not_to_be_had(published, url, "HF_HUB_OFFLINE forbids it")
    if not _answers(url):
        raise _not_to_be_had(published, url, f"the hub does not answer (it is given {HUB_PATIENCE_S:g} s)")
    try:
        return Path(hf_hub_download(*_address(published)))
    except Exception as error:
        # Which library carries the bytes, and so what it raises, changes with the version of the client.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _not_to_be_had(published, url, reason) from error


def _address(published: PretrainedCfg) -> tuple[str, str]:
    """Repository and file on the hub."""
    return str(published.hf_hub_id), published.hf_hub_filename or "model.safetensors"


def _answers(url: str) -> bool:
    """Whether anything answers at an address; in a thread, because looking up a name knows no time limit."""
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(_ask(url)), daemon=True)
    asking.start()
    asking.join(HUB_PATIENCE_S)
    return answers == [True]


def _ask(url: str) -> bool:
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=HUB_PATIENCE_S):
            return True
    except urllib.error.HTTPError:
        # A refusal is an answer; the client will say what was refused.
        return True
    except OSError:
        return False


def _not_to_be_had(published: PretrainedCfg, url: str, reason: str) -> WeightsError:
    return WeightsError(
        f"cannot fetch the weights {published.hf_hub_id}: {reason}. Use --weights none to train from "
        f"scratch, or get {url} on another machine and name the file, wherever you put it: --weights FILE"
    )
