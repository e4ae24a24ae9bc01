"""The peers in PyTorch: an eager loop over networks, and a `torch.func` ensemble."""

from collections import OrderedDict
from collections.abc import Callable

import jax
import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from benchmarks.contestants import Contestant
from benchmarks.works import LEARNING_RATE, Assignment, Layers

EAGER_RUNS = 4  # one network at a time: more of them take longer and tell no more

Parameters = dict[str, Tensor]

torch.backends.cudnn.allow_tf32 = False  # float32 throughout, as the other contestants compute


def convolutional_network() -> nn.Module:
    """The CNN as one writes it in PyTorch: (batch, channel, height, width) -> (batch, classes)."""
    layers = OrderedDict(
        conv_0=nn.Conv2d(1, 8, 3, padding=1),
        tanh_0=nn.Tanh(),
        conv_1=nn.Conv2d(8, 8, 3, stride=2, padding=1),
        tanh_1=nn.Tanh(),
        flatten=nn.Flatten(),
        output=nn.Linear(8 * 4 * 4, 10),
    )
    return nn.Sequential(layers)


def perceptron() -> nn.Module:
    """The MLP as one writes it in PyTorch: (batch, channel, height, width) -> (batch, classes)."""
    layers = OrderedDict(
        flatten=nn.Flatten(),
        hidden_0=nn.Linear(64, 64),
        tanh_0=nn.Tanh(),
        hidden_1=nn.Linear(64, 64),
        tanh_1=nn.Tanh(),
        output=nn.Linear(64, 10),
    )
    return nn.Sequential(layers)


NETWORKS: dict[str, Callable[[], nn.Module]] = {"cnn": convolutional_network, "mlp": perceptron}


def device() -> torch.device:
    """Where PyTorch computes: on a GPU if JAX does and this PyTorch can."""
    return torch.device("cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu")


def eager_loop(assignment: Assignment) -> Contestant:
    """One network after another, each trained as in PyTorch's tutorials."""
    runs = min(EAGER_RUNS, assignment.runs)
    inputs, targets = _train_set(assignment)
    batches = _tensor(assignment.batches[:, :runs]).long()
    initial = _parameters(assignment)

    def start() -> list[nn.Module]:
        networks = [NETWORKS[assignment.work.name]().to(device()) for _ in range(runs)]
        for run, network in enumerate(networks):
            network.load_state_dict({name: stacked[run] for name, stacked in initial.items()})
        return networks

    def train(networks: list[nn.Module]) -> list[nn.Module]:
        for run, network in enumerate(networks):
            optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
            for chosen in batches[:, run]:
                optimizer.zero_grad()
                cross_entropy(network(inputs[chosen]), targets[chosen]).backward()
                optimizer.step()
        _wait()
        return networks

    def losses(networks: list[nn.Module]) -> np.ndarray:
        with torch.no_grad():
            return np.array([cross_entropy(network(inputs), targets).item() for network in networks])

    return Contestant("PyTorch, eager loop", runs, start, train, losses)


def ensemble(assignment: Assignment) -> Contestant:
    """All networks at once: `vmap` of `grad` of `functional_call` over stacked parameters."""
    inputs, targets = _train_set(assignment)
    batches = _tensor(assignment.batches).long()
    initial = _parameters(assignment)
    network = NETWORKS[assignment.work.name]().to("meta")  # its own parameters are never used

    def loss(parameters: Parameters, inputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(functional_call(network, parameters, (inputs,)), targets)

    def start() -> Parameters:
        return {name: stacked.clone() for name, stacked in initial.items()}

    def train(parameters: Parameters) -> Parameters:
        gradients_of_all = vmap(grad(loss))
        for chosen in batches:
            gradients = gradients_of_all(parameters, inputs[chosen], targets[chosen])
            for name, stacked in parameters.items():
                stacked.sub_(gradients[name], alpha=LEARNING_RATE)
        _wait()
        return parameters

    def losses(parameters: Parameters) -> np.ndarray:
        each = ({name: stacked[run] for name, stacked in parameters.items()} for run in range(assignment.runs))
        return np.array([loss(run, inputs, targets).item() for run in each])

    return Contestant("PyTorch, torch.func", assignment.runs, start, train, losses)


def _wait() -> None:
    """Returns once everything asked for so far is computed."""
    if device().type == "cuda":
        torch.cuda.synchronize()


def _train_set(assignment: Assignment) -> tuple[Tensor, Tensor]:
    """Images (n, channel, height, width), mirrored for the CNN, and labels (n,)."""
    train = assignment.data.train
    images = np.asarray(train.inputs).transpose(0, 3, 1, 2)
    mirrored = images[..., ::-1, ::-1] if assignment.work.name == "cnn" else images
    return _tensor(mirrored), _tensor(np.asarray(train.targets)).long()


def _parameters(assignment: Assignment) -> Parameters:
    """The initial weights of all runs, under PyTorch's names and in its order (runs, out, in, ...)."""
    layers = _mirrored(assignment.layers) if assignment.work.name == "cnn" else assignment.layers
    parameters = {}
    for name, layer in layers.items():
        parameters[f"{name}.weight"] = _tensor(np.moveaxis(layer["kernel"], (-1, -2), (1, 2)))
        parameters[f"{name}.bias"] = _tensor(layer["bias"])
    return parameters


def _mirrored(layers: Layers) -> Layers:
    """The CNN that does with mirrored images what the given one does with images.

    At stride 2 "SAME" pads below and to the right, while PyTorch's `padding=1` counts from above and the left: the same work
    in the mirror.
    """
    mirrored = {name: {**layer, "kernel": layer["kernel"][:, ::-1, ::-1]} for name, layer in layers.items()}
    head = layers["output"]["kernel"]  # (runs, channel * height * width, classes)
    by_channel = head.reshape(len(head), 8, -1, head.shape[-1])
    return {**mirrored, "output": {**layers["output"], "kernel": by_channel[:, :, ::-1].reshape(head.shape)}}


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.copy()).to(device())
