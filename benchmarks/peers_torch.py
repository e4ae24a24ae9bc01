"""The peers in PyTorch: loops over networks, eager or compiled, in one process or in one for each core; and `torch.func`."""

import concurrent.futures
import copy
import dataclasses
import multiprocessing
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from benchmarks.contestants import ONE_AT_A_TIME, Contestant
from benchmarks.works import STRIDES, Assignment, Layers, Work
from symmetry_jax.learning.models import CNN

Parameters = dict[str, Tensor]


@dataclasses.dataclass(frozen=True)
class Given:
    """What is trained, on what, and how: all that a process of its own needs.

    Attributes:
        network: whose parameters are overwritten.
        inputs: images (n, channel, height, width), mirrored for the CNN.
        targets: labels (n,).
        batches: the places of every minibatch's examples, (steps, runs, batch).
        optimizer: its name.
        learning_rate: its own.
    """

    network: nn.Module
    inputs: Tensor
    targets: Tensor
    batches: Tensor
    optimizer: str
    learning_rate: float


torch.backends.cudnn.allow_tf32 = False  # float32 throughout, as the other contestants compute


def network_of(work: Work) -> nn.Module:
    """The network as one writes it in PyTorch: (batch, channel, height, width) -> (batch, classes)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    height, width, channels = work.image
    if isinstance(work.model, CNN):
        for number, (filters, stride) in enumerate(zip(work.model.filters, STRIDES, strict=True)):
            layers[f"conv_{number}"] = nn.Conv2d(channels, filters, 3, stride, padding=1)
            layers[f"tanh_{number}"] = nn.Tanh()
            height, width, channels = -(-height // stride), -(-width // stride), filters
    layers["flatten"] = nn.Flatten()
    into = height * width * channels
    for number, units in enumerate(() if isinstance(work.model, CNN) else work.model.widths):
        layers[f"hidden_{number}"] = nn.Linear(into, units)
        layers[f"tanh_{number}"] = nn.Tanh()
        into = units
    layers["output"] = nn.Linear(into, work.model.outputs)
    return nn.Sequential(layers).to(device())


def device() -> torch.device:
    """Where PyTorch computes: on a GPU if this PyTorch can."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def eager_loop(assignment: Assignment) -> Contestant:
    """One network after another, each trained as in PyTorch's tutorials."""
    return _loop("PyTorch, eager", assignment, lambda network: network)


def compiled_loop(assignment: Assignment) -> Contestant:
    """The same with `torch.compile`, which compiles the network once: others of its kind take its place."""
    return _loop("PyTorch, compiled", assignment, torch.compile)


def _loop(name: str, assignment: Assignment, prepare: Callable[[nn.Module], Any]) -> Contestant:
    runs = min(ONE_AT_A_TIME, assignment.runs)
    given, initial = _given(assignment), _parameters(assignment)
    called = prepare(given.network)

    def train(starts: list[Parameters]) -> list[Parameters]:
        return [_trained(given, called, start, run) for run, start in enumerate(starts)]

    return Contestant(name, runs, lambda: _each(initial, runs), train, lambda ends: _losses(given, ends))


def in_processes(assignment: Assignment) -> Contestant:
    """The eager loop in one process for each core, which are started beforehand."""
    workers = torch.get_num_threads()
    runs = min(ONE_AT_A_TIME * workers, assignment.runs)
    given, initial = _given(assignment), _parameters(assignment)
    pool = concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _prepare, (given,))

    def train(starts: list[Parameters]) -> list[Parameters]:
        return list(pool.map(_train_in_process, starts, range(runs), chunksize=-(-runs // workers)))

    return Contestant(
        f"PyTorch, {workers} processes",
        runs,
        lambda: _each(initial, runs),
        train,
        lambda ends: _losses(given, ends),
        pool.shutdown,
    )


def ensemble(assignment: Assignment) -> Contestant:
    """All networks at once: `vmap` of `grad` of `functional_call` over stacked parameters."""
    given, initial = _given(assignment), _parameters(assignment)
    network = given.network.to("meta")  # its own parameters are never used
    is_shared = assignment.work.minibatches == "shared"

    def loss(parameters: Parameters, inputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(functional_call(network, parameters, (inputs,)), targets)

    along = None if is_shared else 0

    def train(parameters: Parameters) -> Parameters:
        gradients_of_all, optimizer = vmap(grad(loss), (0, along, along)), _optimizer(given, list(parameters.values()))
        for chosen in given.batches[:, 0] if is_shared else given.batches:
            gradients = gradients_of_all(parameters, given.inputs[chosen], given.targets[chosen])
            for name, stacked in parameters.items():
                stacked.grad = gradients[name]
            optimizer.step()
        _wait()
        return parameters

    def losses(parameters: Parameters) -> np.ndarray:
        return _losses(given, _each(parameters, assignment.runs))

    return Contestant(
        "PyTorch, torch.func",
        assignment.runs,
        lambda: {name: stacked.clone() for name, stacked in initial.items()},
        train,
        losses,
    )


_here: list[Given] = []  # in a process of its own: what it trains


def _prepare(given: Given) -> None:
    torch.set_num_threads(1)
    _here.append(dataclasses.replace(given, network=copy.deepcopy(given.network)))  # as it comes it is shared with the others


def _train_in_process(start: Parameters, run: int) -> Parameters:
    return _trained(_here[0], _here[0].network, start, run)


def _trained(given: Given, called: nn.Module, start: Parameters, run: int) -> Parameters:
    """The parameters at the end of a run; `called` is the network, compiled perhaps."""
    given.network.load_state_dict(start)
    optimizer = _optimizer(given, list(given.network.parameters()))
    for chosen in given.batches[:, run]:
        optimizer.zero_grad()
        cross_entropy(called(given.inputs[chosen]), given.targets[chosen]).backward()
        optimizer.step()
    _wait()
    return {name: parameter.detach().clone() for name, parameter in given.network.state_dict().items()}


def _optimizer(given: Given, parameters: list[Tensor]) -> torch.optim.Optimizer:
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    return kinds[given.optimizer](parameters, lr=given.learning_rate)


def _losses(given: Given, ends: list[Parameters]) -> np.ndarray:
    with torch.no_grad():
        outputs = (functional_call(given.network, end, (given.inputs,)) for end in ends)
        return np.array([cross_entropy(logits, given.targets).item() for logits in outputs])


def _each(stacked: Parameters, runs: int) -> list[Parameters]:
    return [{name: array[run].clone() for name, array in stacked.items()} for run in range(runs)]


def _wait() -> None:
    """Returns once everything asked for so far is computed."""
    if device().type == "cuda":
        torch.cuda.synchronize()


def _given(assignment: Assignment) -> Given:
    train, work = assignment.data.train, assignment.work
    images = np.asarray(train.inputs).transpose(0, 3, 1, 2)
    mirrored = images[..., ::-1, ::-1] if isinstance(work.model, CNN) else images
    targets = _tensor(np.asarray(train.targets)).long()
    batches = _tensor(assignment.batches).long()
    return Given(network_of(work), _tensor(mirrored), targets, batches, work.optimizer, work.learning_rate)


def _parameters(assignment: Assignment) -> Parameters:
    """The initial weights of all runs, under PyTorch's names and in its order (runs, out, in, ...)."""
    model = assignment.work.model
    layers = _mirrored(assignment.layers, model.filters[-1]) if isinstance(model, CNN) else assignment.layers
    parameters = {}
    for name, layer in layers.items():
        parameters[f"{name}.weight"] = _tensor(np.moveaxis(layer["kernel"], (-1, -2), (1, 2)))
        parameters[f"{name}.bias"] = _tensor(layer["bias"])
    return parameters


def _mirrored(layers: Layers, filters: int) -> Layers:
    """The CNN that does with mirrored images what the given one does with images.

    At stride 2 "SAME" pads below and to the right, while PyTorch's `padding=1` counts from above and the left: the same work
    in the mirror.
    """
    mirrored = {name: {**layer, "kernel": layer["kernel"][:, ::-1, ::-1]} for name, layer in layers.items()}
    head = layers["output"]["kernel"]  # (runs, channel * height * width, classes)
    by_channel = head.reshape(len(head), filters, -1, head.shape[-1])
    return {**mirrored, "output": {**layers["output"], "kernel": by_channel[:, :, ::-1].reshape(head.shape)}}


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.copy()).to(device())
