"""What watching sees around a step: calls of models and of loss functions, the graph, who trains what, the replicas."""

from __future__ import annotations

from dataclasses import dataclass

TRAIN = "train"
EVALUATION = "evaluation"

CLASS_BUCKETS = 128
"""Counts of targets are kept for so many classes; class ``c`` of more counts in bucket ``c mod CLASS_BUCKETS``."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A tensor in a few numbers, of its finite values.

    Attributes:
        mean: Their mean; NaN where there are none.
        std: Their population standard deviation.
        low: The smallest.
        high: The largest.
        nonfinite: Share of the values that are NaN or infinite, 0 to 1.
    """

    mean: float
    std: float
    low: float
    high: float
    nonfinite: float = 0.0


@dataclass(frozen=True, slots=True)
class LossCall:
    """One call of a loss function of torch.

    Attributes:
        step: Steps taken before it.
        phase: ``"train"`` where a backward pass followed, else ``"evaluation"``.
        name: Of the function in `torch.nn.functional`, such as ``"cross_entropy"``.
        value: Its mean over what it was given, whatever its reduction.
        output_shape: Of its first argument.
        target_shape: Of its second argument.
        outputs: Its first argument, what the model said.
        targets: Its second argument; class indices without the ignored ones.
        output_op: The operation that made the outputs, by autograd's name in lower case without ``backward0``, looking
            through views, such as ``"softmax"``, ``"sigmoid"``, ``"addmm"``; ``""`` where there is no graph.
        row_error: Largest ``|Σ − 1|`` of the outputs over the classes (dimension 1, or the last of two-dimensional
            ones and of those of `ctc_loss`); ``None`` for outputs without classes.
        log_row_error: Likewise of the outputs' exponentials.
        example_std: Standard deviation of the outputs over the examples, averaged over the units.
        classes: How many the outputs have; 0 where the targets are no class indices.
        counts: Targets of each class, or of each bucket of classes.
        accuracy: Share of the targets that are the largest output (or on the right side of the decision, for binary
            ones); ``None`` where the targets are no classes.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        smoothing: Of the labels: above 0 the loss cannot reach zero.
        of_itself: Whether the model makes what it is compared with: a tensor that was cut off from the graph, and whose
            memory another call of the step was given with its graph, as codes and features are of a quantizer.
    """

    step: int
    phase: str
    name: str
    value: float
    output_shape: tuple[int, ...]
    target_shape: tuple[int, ...]
    outputs: Numbers
    targets: Numbers
    output_op: str = ""
    row_error: float | None = None
    log_row_error: float | None = None
    example_std: float | None = None
    classes: int = 0
    counts: tuple[int, ...] = ()
    accuracy: float | None = None
    reduction: str = "mean"
    smoothing: float = 0.0
    of_itself: bool = False


@dataclass(frozen=True, slots=True)
class Forward:
    """One call of a whole model.

    Attributes:
        step: Steps taken before it.
        phase: ``"train"`` where a backward pass followed, else ``"evaluation"``.
        model: Name of the model: its class's, where no other has the same.
        training: Whether the model was in training mode.
        shape: Of its first tensor; dimension 0 counts the examples.
        inputs: Its first tensor; ``None`` for integers.
        examples: How many examples were looked at.
        distinct: How many different ones they were.
        repeated: How many of them were in the training batch before, too; 0 in evaluation.
        seen: How many of them had been in a training batch before.
        available: How many examples are known to be at hand, in the loader's data set or in the memory that the batch
            is a part of; 0 when unknown.
        gradient: Whether gradients were recorded.
        norms: Batch normalisations with running statistics inside.
        norms_training: How many of them normalised with the batch's statistics.
        norms_fresh: How many of them normalise with running statistics that no batch has ever updated.
        dropouts: Modules with dropout of a probability above zero inside, recurrent nets and attention among them.
        dropouts_training: How many of them were active.
        fewest_values: Fewest values that a batch normalisation took its statistics of a channel over.
        fewest_module: The one.
        class_name: Of the model, where its name is another; else ``""``.
    """

    step: int
    phase: str
    model: str
    training: bool
    shape: tuple[int, ...] = ()
    inputs: Numbers | None = None
    examples: int = 0
    distinct: int = 0
    repeated: int = 0
    seen: int = 0
    available: int = 0
    gradient: bool = True
    norms: int = 0
    norms_training: int = 0
    norms_fresh: int = 0
    dropouts: int = 0
    dropouts_training: int = 0
    fewest_values: int | None = None
    fewest_module: str = ""
    class_name: str = ""


@dataclass(frozen=True, slots=True)
class LinearChain:
    """Linear or convolutional layers of which each takes what the one before gave, with nothing nonlinear between.

    Attributes:
        modules: Their paths, in order.
        inputs: Features that the first one takes.
        width: Fewest features between two of them: below ``inputs`` and ``outputs`` the chain is a bottleneck, which
            one layer could not replace.
        outputs: Features that the last one gives.
    """

    modules: tuple[str, ...]
    inputs: int
    width: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Graph:
    """What autograd's graph of a loss says about the model.

    Attributes:
        step: Steps taken before it.
        nodes: Operations in it.
        chains: Linear layers in a row.
        sign: −1 where what is backpropagated is a loss function's value with its sign turned, 1 where it is the value
            (whatever its scale), 0 where it is something else or unknown.
        predicted: Shape of what a hand-written squared or absolute error compares with numbers that carry no gradient;
            empty where there is no such error.
        differences: Shape of the differences.
    """

    step: int
    nodes: int
    chains: tuple[LinearChain, ...] = ()
    sign: int = 0
    predicted: tuple[int, ...] = ()
    differences: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which parameters a step reached; paths of modules, in the model's order.

    Attributes:
        step: The step.
        trained: Modules whose parameters are in an optimizer and got a gradient.
        without_gradient: Modules with parameters in an optimizer that require a gradient and got none.
        uncalled: Those of ``without_gradient`` that no forward pass has used so far.
        not_optimized: Modules with parameters that got a gradient and are in no optimizer.
        frozen_initial: Modules with weights that require no gradient, are in no optimizer, are used, and still look
            as torch initialises them at random.
        parameters: Numbers in all trainable parameters.
    """

    step: int
    trained: tuple[str, ...] = ()
    without_gradient: tuple[str, ...] = ()
    uncalled: tuple[str, ...] = ()
    not_optimized: tuple[str, ...] = ()
    frozen_initial: tuple[str, ...] = ()
    parameters: int = 0


@dataclass(frozen=True, slots=True)
class Replica:
    """One rank of a distributed training at one step.

    Attributes:
        step: Steps taken before it.
        rank: Its number.
        world: How many ranks there are.
        wrapped: Whether gradients are exchanged by DistributedDataParallel or the like.
        weights: One number for each of a few parameters, equal on two ranks exactly where the parameters are.
        examples: Fingerprints of the batch's examples, at most 256.
    """

    step: int
    rank: int
    world: int
    wrapped: bool
    weights: tuple[float, ...] = ()
    examples: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the first number that is not finite arose.

    Attributes:
        step: The step.
        stage: ``"input"``, ``"target"``, ``"weights"`` (an update left them so), ``"forward"``, ``"loss"`` or
            ``"gradient"``.
        module: Path of the module; ``""`` when unknown.
        operation: The operation, by autograd's name in lower case; ``""`` when unknown.
        detail: What is known beside, for the reader.
    """

    step: int
    stage: str
    module: str = ""
    operation: str = ""
    detail: str = ""
