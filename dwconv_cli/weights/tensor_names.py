"""Which tensors of a ``.safetensors`` file are a layer's kernel and bias."""

from __future__ import annotations

from collections.abc import Sequence

from dwconv_cli.errors import InputError

# What kernels are called, in the order of preference: by Keras 3, by Keras 2, and by PyTorch in its own layout.
KERNELS = ("kernel", "depthwise_kernel", "weight")
TORCH = "weight"


def kernel_and_bias(names: Sequence[str], prefix: str, address: str, layout: str) -> tuple[str, str | None]:
    """The names of the kernel, and of the bias if there is one.

    Parameters
    ----------
    names : sequence of str
        Of all tensors.
    prefix : str
        What stands before the dot; empty where the only kernel of the file is meant.
    address : str
        For messages.
    layout : str
        In which the kernel is read.

    Raises
    ------
    InputError
        If there is no kernel, or several, or one that is called as PyTorch's is and read in another layout.

    Examples
    --------
    >>> kernel_and_bias(["conv.kernel", "conv.bias", "dense.bias"], "", "m.safetensors", "keras")
    ('conv.kernel', 'conv.bias')
    """
    by_prefix: dict[str, str] = {}
    for kernel in reversed(KERNELS):
        for name in names:
            before, _, last = name.rpartition(".")
            if last == kernel:
                by_prefix[before] = name
    chosen = by_prefix.get(prefix)
    if chosen is None and not prefix and len(by_prefix) == 1:
        (chosen,) = by_prefix.values()
    if chosen is None:
        raise InputError(f"{address}: {_advice(names, by_prefix, prefix, address)}")
    if chosen.rpartition(".")[2] == TORCH and layout != "torch":
        raise InputError(
            f"{address}: {chosen} is what PyTorch calls a kernel, of shape (C*M, 1, K); say --kernel-layout torch"
        )
    bias = chosen.rpartition(".")[0] + "." * ("." in chosen) + "bias"
    return chosen, bias if bias in names else None


def _advice(names: Sequence[str], by_prefix: dict[str, str], prefix: str, address: str) -> str:
    """Why no kernel was chosen, and what to do."""
    prefixes = sorted(filter(None, by_prefix))
    if not by_prefix:
        listed = ", ".join(names[:20]) or "nothing"
        return f"no tensor is called {', '.join(KERNELS[:-1])} or {TORCH} (it holds: {listed}); name one with --kernel"
    shown = ", ".join(prefixes[:20]) + (f" and {len(prefixes) - 20} more" if len(prefixes) > 20 else "")
    path = address.removesuffix(f"::{prefix}") if prefix else address
    if prefix:
        return f"has no kernel of this name; there are: {shown or 'one without a name, so leave it out'}"
    return f"holds {len(by_prefix)} kernels; name one, e.g. {path}::{prefixes[0]}: {shown}"
