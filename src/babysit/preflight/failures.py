"""What models, losses and scripts raise, in a line; a lack of memory is told as such, whatever was tried."""

from __future__ import annotations

import torch

from babysit.errors import InputError, told

_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
"""Of CUDA and MPS, and of the allocators of processors, which raise a plain RuntimeError."""
_SMALLER = "give a smaller batch, or check a smaller model of the same kind"


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory is used up.

    Example:
        >>> lacks_memory(MemoryError()), lacks_memory(RuntimeError("CUDA error: out of memory"))
        (True, True)
        >>> lacks_memory(RuntimeError("shapes cannot be multiplied"))
        False
    """
    is_kind = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return is_kind or (isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS))


def failure(error: BaseException) -> str:
    """Why something could not be done.

    Example:
        >>> failure(KeyError("x")), failure(MemoryError())
        ("KeyError: 'x'", 'out of memory (MemoryError)')
    """
    return f"out of memory ({told(error)})" if lacks_memory(error) else told(error)


def refusal(subject: str, error: BaseException, *, expected: str, todo: str) -> InputError:
    """A refusal because of what was raised.

    Args:
        subject: What is refused.
        error: As it came.
        expected: In its place; where memory is lacking, memory is what was expected.
        todo: Likewise.
    """
    if lacks_memory(error):
        expected, todo = "memory for copies of the model and a step with this batch", _SMALLER
    return InputError(subject, expected=expected, found=failure(error), todo=todo)
