"""The training loop that the chapter on LeNet writes in the open, for the chapters after it.

:func:`fit` trains, :class:`Batches` feeds it, :class:`History` is what it returns. Checkpoints are
safetensors files: numbers and a description of them, no code.
"""

import contextlib
import copy
import json
import math
import os
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from . import runtime

__all__ = ["Batches", "Diverged", "History", "fit", "load_checkpoint", "save_checkpoint"]


class Diverged(ArithmeticError):
    """The loss or a weight is no finite number any more.

    Attributes
    ----------
    step : int
        The step at which that was seen, counted from 1 over all epochs.
    """

    def __init__(self, message, step):
        super().__init__(message)
        self.step = step


# ---- Batches ----------------------------------------------------------------------------------


class Batches:
    """Go through examples in batches, in a new random order each time.

    Parameters
    ----------
    *columns : torch.Tensor, numpy.ndarray or list
        Inputs, labels and whatever else belongs to an example; the i-th entries of all of them are
        example i. Lists, whose entries may differ in length, need `collate`.
    batch_size : int
        Examples in a batch; the last batch has what is left.
    generator : torch.Generator, optional
        Where the order comes from: one ``torch.randperm(n, generator=generator)`` each time. If
        left out, the examples come in their own order.
    collate : callable, optional
        Makes the tensors of a batch: takes a list of entries for each column, returns a tuple of
        tensors. If left out, columns are indexed.
    bucket_by : sequence of int, optional
        A length for each example. Examples of like lengths then share a batch, which saves
        padding; which ones, and the order of the batches, is random as before.

    Raises
    ------
    TypeError, ValueError
        If there are no columns or no examples, if columns differ in length, or if another argument
        is not what it should be.

    Examples
    --------
    >>> batches = Batches(torch.arange(5), torch.arange(5) ** 2, batch_size=2)
    >>> len(batches), [x.tolist() for x, y in batches]
    (3, [[0, 1], [2, 3], [4]])
    """

    def __init__(self, *columns, batch_size=64, generator=None, collate=None, bucket_by=None):
        if not columns:
            raise ValueError("columns: nothing was given, expected at least one tensor or list")
        self.columns = [_column(i, c, collate) for i, c in enumerate(columns)]
        lengths = [len(column) for column in self.columns]
        if len(set(lengths)) > 1:
            raise ValueError(f"columns have {lengths} examples: expected as many in each")
        if lengths[0] == 0:
            raise ValueError("columns have 0 examples: expected at least 1")
        self.n_examples = lengths[0]
        self.batch_size = _count("batch_size", batch_size)
        if generator is not None and not isinstance(generator, torch.Generator):
            raise TypeError(f"generator is {generator!r}: expected a torch.Generator or None")
        self.generator = generator
        self.collate = collate
        self.lengths = None if bucket_by is None else torch.as_tensor(bucket_by)
        if self.lengths is not None and self.lengths.shape != (self.n_examples,):
            shape = tuple(self.lengths.shape)
            raise ValueError(f"bucket_by has shape {shape}: expected ({self.n_examples},)")

    def __len__(self):
        return math.ceil(self.n_examples / self.batch_size)

    def __iter__(self):
        for rows in self._rows():
            if self.collate is None:
                yield tuple(column[rows] for column in self.columns)
            else:
                rows = rows.tolist()
                yield tuple(self.collate(*([column[i] for i in rows] for column in self.columns)))

    def _rows(self):
        """Indices of the examples, one tensor for each batch."""
        order = torch.arange(self.n_examples)
        if self.generator is not None:
            order = torch.randperm(self.n_examples, generator=self.generator)
        if self.lengths is None:
            return order.split(self.batch_size)
        order = order[torch.argsort(self.lengths[order], stable=True)]
        buckets = order.split(self.batch_size)
        if self.generator is None:
            return buckets
        shuffled = torch.randperm(len(buckets), generator=self.generator)
        return [buckets[i] for i in shuffled.tolist()]


def _column(number, column, collate):
    if isinstance(column, np.ndarray) and column.dtype != object:
        return torch.from_numpy(column)
    if isinstance(column, torch.Tensor):
        if column.ndim == 0:
            raise ValueError(f"columns[{number}] is a single number: expected one entry an example")
        return column
    if collate is None or not hasattr(column, "__getitem__") or not hasattr(column, "__len__"):
        kind = type(column).__name__
        raise TypeError(
            f"columns[{number}] is a {kind}: expected a tensor or an array, or a list and `collate`"
        )
    return column


# ---- What training leaves behind --------------------------------------------------------------


@dataclass
class History:
    """How a training went.

    Attributes
    ----------
    losses : list of float
        The loss of each step, before its update.
    metrics : dict of str to list of float
        One value an epoch: ``"loss"``, the mean over the epoch's steps, and what `evaluate` gave.
    best_epoch : int or None
        The epoch, from 0, whose state was kept, where training was to stop early.
    """

    losses: list = field(default_factory=list)
    metrics: dict = field(default_factory=dict)
    best_epoch: int | None = None

    @property
    def n_epochs(self):
        """int: Epochs gone through."""
        return len(self.metrics.get("loss", ()))

    def plot(self, *names, ax=None):
        """Draw one or more metrics over the epochs, the loss with its single steps behind.

        Parameters
        ----------
        *names : str
            Names of metrics; ``"loss"`` if left out.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure if left out.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If there is no metric of that name.
        """
        names = names or ("loss",)
        for name in names:
            if name not in self.metrics:
                raise ValueError(f"names has {name!r}: expected some of {sorted(self.metrics)}")
        if ax is None:
            from matplotlib import pyplot as plt

            ax = plt.subplots()[1]
        epochs = np.arange(1, self.n_epochs + 1)
        for name, marker in zip(names, "os^Dv" * len(names), strict=False):
            if name == "loss":
                steps = np.arange(1, len(self.losses) + 1) * self.n_epochs / len(self.losses)
                ax.plot(steps, self.losses, linewidth=0.6, alpha=0.4, color="C0")
            colour = "C0" if name == "loss" else None
            ax.plot(epochs, self.metrics[name], marker=marker, label=name, color=colour)
        ax.set_xlabel("epochs")
        if len(names) == 1:
            ax.set_ylabel(names[0])
        else:
            ax.legend()
        return ax


# ---- The loop ---------------------------------------------------------------------------------


def fit(
    model,
    batches,
    loss,
    optimiser,
    *,
    epochs,
    evaluate=None,
    monitor="loss",
    mode=None,
    patience=None,
    schedule=None,
    clip_norm=None,
    device=None,
    mixed_precision=False,
    checkpoint=None,
):
    """Train a model; it is in evaluation mode afterwards.

    Each step draws a batch, moves it to the device, and does forward pass, backward pass and
    update.

    Parameters
    ----------
    model : torch.nn.Module
    batches : iterable of tuples of torch.Tensor
        Gone through once an epoch, such as :class:`Batches`.
    loss : callable
        ``loss(model, *batch)`` returns a tensor with one number.
    optimiser : torch.optim.Optimizer
        Made with the parameters of `model`.
    epochs : int
        How often to go through the batches.
    evaluate : callable, optional
        ``evaluate(model)`` returns a dict of names to numbers. Called after each epoch, without
        gradients and in evaluation mode.
    monitor : str
        The metric that is watched for stopping early: ``"loss"`` or a name that `evaluate` gives.
    mode : {"min", "max"}, optional
        Whether small or large values of it are good. May be left out for names that end in "loss"
        or in "accuracy".
    patience : int, optional
        Stop after so many epochs without a new best value of `monitor`; the model is then, and
        also after the last epoch, set back to its best state. If left out, all epochs are run and
        the last state stays.
    schedule : torch.optim.lr_scheduler.LRScheduler, optional
        Changes the learning rate; stepped after each update.
    clip_norm : float, optional
        The longest gradient allowed, all parameters taken together; longer ones are shortened.
    device : torch.device or str, optional
        Where to compute; :func:`dlbook.runtime.device` chooses if left out.
    mixed_precision : bool
        On CUDA, compute in bfloat16 where the device has it, else in float16 with a scaled loss.
        Elsewhere without effect.
    checkpoint : path, optional
        A file that ends in ``.safetensors``, written anew after each epoch. If it is there
        already, training goes on from where it stood: on the CPU bit for bit, if model, batches,
        optimiser and schedule were made in the same way.

    Returns
    -------
    History

    Raises
    ------
    Diverged
        If the loss, or a weight after an epoch, is not finite. Model and optimiser are set back to
        the end of the last epoch in which all was well.
    TypeError, ValueError
        If an argument is not what it should be.
    """
    epochs = _count("epochs", epochs)
    patience = None if patience is None else _count("patience", patience)
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm is {clip_norm}: expected a number above 0, or None")
    sign = _sign(monitor, mode) if patience is not None else None
    device = torch.device(runtime.device() if device is None else device)
    model.to(device)
    precision, scaler = _precision(device, mixed_precision)
    history, best = History(), None
    if checkpoint is not None and _safetensors_path(checkpoint).exists():
        history, best = _resume(checkpoint, model, optimiser, batches, schedule, scaler)
    good = _snapshot(model, optimiser)
    step = len(history.losses)

    for epoch in range(history.n_epochs, epochs):
        if _is_over(history, patience):
            break
        losses = []
        model.train()
        for batch in _with_progress(batches, f"epoch {epoch + 1}/{epochs}"):
            step += 1
            with precision:
                value = loss(model, *(part.to(device) for part in batch))
            losses.append(_check_loss(value, step, model, optimiser, good))
            optimiser.zero_grad()
            scaler.scale(value).backward()
            if clip_norm is not None:
                scaler.unscale_(optimiser)
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
            scaler.step(optimiser)
            scaler.update()
            if schedule is not None:
                schedule.step()
        if not losses:
            raise ValueError("batches gave no batch: expected at least one an epoch")
        _check_weights(step, model, optimiser, good)
        good = _snapshot(model, optimiser)
        _record(history, losses, _evaluate(evaluate, model))
        if patience is not None:
            best = _keep_best(history, best, model, monitor, sign)
        if checkpoint is not None:
            _save_training(checkpoint, model, optimiser, batches, scaler, history, best)

    if patience is not None and best is not None:
        model.load_state_dict(best)
    model.eval()
    return history


def _sign(monitor, mode):
    """1 where large values are good, −1 where small ones are."""
    if mode is None:
        mode = {"loss": "min", "accuracy": "max"}.get(monitor.replace("_", " ").split(" ")[-1])
        if mode is None:
            raise ValueError(f"mode is left out: expected 'min' or 'max' for monitor={monitor!r}")
    if mode not in ("min", "max"):
        raise ValueError(f"mode is {mode!r}: expected 'min' or 'max'")
    return 1 if mode == "max" else -1


def _precision(device, mixed):
    """The context of a forward pass, and what scales the loss (float16 needs it)."""
    if not mixed or device.type != "cuda":
        return contextlib.nullcontext(), torch.amp.GradScaler(device.type, enabled=False)
    has_bfloat16 = torch.cuda.get_device_capability(device)[0] >= 8
    kind = torch.bfloat16 if has_bfloat16 else torch.float16
    scaler = torch.amp.GradScaler("cuda", enabled=not has_bfloat16)
    return torch.autocast("cuda", dtype=kind), scaler


def _with_progress(batches, what):
    if not runtime.is_watched():
        return batches
    from tqdm import tqdm

    return tqdm(batches, desc=what, leave=False, delay=1)


def _check_loss(value, step, model, optimiser, good):
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        what = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise TypeError(f"loss returned {what}: expected a tensor with one number")
    number = value.item()
    if not math.isfinite(number):
        _restore(model, optimiser, good)
        raise Diverged(
            f"the loss is {number} at step {step}; the model is back where the epoch began. "
            "A smaller learning rate or `clip_norm` may help",
            step,
        )
    return number


def _check_weights(step, model, optimiser, good):
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            _restore(model, optimiser, good)
            raise Diverged(
                f"{name} is not finite after step {step}; the model is back where the epoch began",
                step,
            )


def _evaluate(evaluate, model):
    if evaluate is None:
        return {}
    model.eval()
    with torch.no_grad():
        results = evaluate(model)
    if not isinstance(results, dict) or "loss" in results:
        raise ValueError(
            f"evaluate returned {results!r}: expected a dict of names to numbers; the name 'loss' "
            "is the training loss, so call another one, say, 'validation loss'"
        )
    return {name: float(number) for name, number in results.items()}


def _record(history, losses, results):
    history.losses += losses
    for name, number in {"loss": sum(losses) / len(losses), **results}.items():
        history.metrics.setdefault(name, []).append(number)


def _keep_best(history, best, model, monitor, sign):
    if monitor not in history.metrics:
        known = sorted(history.metrics)
        raise ValueError(f"monitor is {monitor!r}: expected one of {known}, as `evaluate` gives")
    values = [sign * number for number in history.metrics[monitor]]
    if history.best_epoch is None or values[-1] > values[history.best_epoch]:
        history.best_epoch = len(values) - 1
        return copy.deepcopy(model.state_dict())
    return best


def _is_over(history, patience):
    if patience is None or history.best_epoch is None:
        return False
    return history.n_epochs - 1 - history.best_epoch >= patience


def _snapshot(model, optimiser):
    return copy.deepcopy((model.state_dict(), optimiser.state_dict()))


def _restore(model, optimiser, snapshot):
    model.load_state_dict(snapshot[0])
    optimiser.load_state_dict(snapshot[1])


# ---- Checkpoints ------------------------------------------------------------------------------


def save_checkpoint(path, model, optimiser=None, **notes):
    """Write the numbers of a model, and of its optimiser, to a safetensors file.

    The file appears whole or not at all: it is written under another name and then moved.

    Parameters
    ----------
    path : path
        Ends in ``.safetensors``.
    model : torch.nn.Module
    optimiser : torch.optim.Optimizer, optional
    **notes
        Whatever JSON can hold: numbers, strings, lists and dicts with strings as keys. Tensors too.

    Raises
    ------
    ValueError
        If the path has another ending, or a note or a setting of the optimiser is not JSON.
    """
    from safetensors.torch import save

    path = _safetensors_path(path)
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"notes/{name}": v for name, v in notes.items() if isinstance(v, torch.Tensor)}
    texts = {name: v for name, v in notes.items() if not isinstance(v, torch.Tensor)}
    text = {"notes": texts}
    if optimiser is not None:
        state = optimiser.state_dict()
        text["groups"], text["numbers"] = state["param_groups"], {}
        for index, entries in state["state"].items():
            for name, value in entries.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimiser/{index}/{name}"] = value
                else:
                    text["numbers"][f"{index}/{name}"] = value
    metadata = {"dlbook": _as_json(text)}
    _write(path, save({k: _plain(v) for k, v in tensors.items()}, metadata))


def load_checkpoint(path, model, optimiser=None):
    """Read what :func:`save_checkpoint` wrote.

    Parameters
    ----------
    path : path
    model : torch.nn.Module
        Of the same architecture; gets the numbers of the file.
    optimiser : torch.optim.Optimizer, optional
        Gets its state back, if it was saved.

    Returns
    -------
    dict
        The notes.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, is no checkpoint, or belongs to another model or optimiser. Model
        and optimiser are then as they were.
    """
    tensors, text = _read(path)
    wanted, found = model.state_dict(), _of("model/", tensors)
    for name in sorted(wanted.keys() | found.keys()):
        had = tuple(found[name].shape) if name in found else "nothing"
        needs = tuple(wanted[name].shape) if name in wanted else "nothing"
        if had != needs:
            raise ValueError(f"{path} has {had} for {name}: the model expects {needs}")
    if optimiser is not None:
        if "groups" not in text:
            raise ValueError(f"{path} holds no state of an optimiser: expected one")
        state = {}
        for name, value in {**text["numbers"], **_of("optimiser/", tensors)}.items():
            index, _, entry = name.partition("/")
            state.setdefault(int(index), {})[entry] = value
        try:
            optimiser.load_state_dict({"state": state, "param_groups": text["groups"]})
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path} belongs to another optimiser: {error}") from error
    model.load_state_dict(found)
    return text["notes"] | _of("notes/", tensors)


def _save_training(path, model, optimiser, batches, scaler, history, best):
    notes = {
        "losses": history.losses,
        "metrics": history.metrics,
        "best_epoch": history.best_epoch,
        "scaler": scaler.state_dict(),
        "random": torch.get_rng_state(),
    }
    if isinstance(generator := getattr(batches, "generator", None), torch.Generator):
        notes["random of batches"] = generator.get_state()
    if torch.cuda.is_available():
        notes["random of CUDA"] = torch.cuda.get_rng_state()
    notes |= {f"best/{name}": value for name, value in (best or {}).items()}
    save_checkpoint(path, model, optimiser, **notes)


def _resume(path, model, optimiser, batches, schedule, scaler):
    """Set everything to where the checkpoint stood; return its history and best state."""
    _, text = _read(path)
    if "losses" not in text["notes"]:
        raise ValueError(f"checkpoint {path} is not of a training: expected one that `fit` wrote")
    if schedule is not None:
        with warnings.catch_warnings():  # it is the optimiser of before that was stepped
            warnings.simplefilter("ignore", UserWarning)
            for _ in text["notes"]["losses"]:
                schedule.step()
    notes = load_checkpoint(path, model, optimiser)
    torch.set_rng_state(notes["random"])
    if isinstance(generator := getattr(batches, "generator", None), torch.Generator):
        if "random of batches" not in notes:
            raise ValueError(f"checkpoint {path} was written for batches without a generator")
        generator.set_state(notes["random of batches"])
    if torch.cuda.is_available() and "random of CUDA" in notes:
        torch.cuda.set_rng_state(notes["random of CUDA"])
    scaler.load_state_dict(notes["scaler"])
    history = History(notes["losses"], notes["metrics"], notes["best_epoch"])
    return history, _of("best/", notes) or None


def _safetensors_path(path):
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"path is {str(path)!r}: expected a name that ends in .safetensors")
    return path


def _plain(tensor):
    """A copy of its own: the format allows no two tensors to share memory."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _of(prefix, items):
    return {name.removeprefix(prefix): v for name, v in items.items() if name.startswith(prefix)}


def _as_json(value):
    try:
        text = json.dumps(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"notes and settings of the optimiser must be JSON: {error}") from error
    return text


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, path)


def _read(path):
    from safetensors import SafetensorError, safe_open

    path = _safetensors_path(path)
    if not path.exists():
        raise FileNotFoundError(f"path is {str(path)!r}: there is no such file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}") from error
    if "dlbook" not in metadata:
        raise ValueError(f"{path} is no checkpoint of this book: its description is missing")
    return tensors, json.loads(metadata["dlbook"])


def _count(name, value):
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} is {value!r}: expected an integer")
    if value < 1:
        raise ValueError(f"{name} is {value}: expected at least 1")
    return int(value)
