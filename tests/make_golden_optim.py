#!/usr/bin/env python3
"""Writes tests/data/optim.golden: what PyTorch's optimizers and gradient clipping do (in double precision).

    python3 tests/make_golden_optim.py      needs torch; only for making the file anew, not for building or testing

A line per tensor: its name, its shape, its values, row by row. The name of a case is the optimizer and its options as
nnmpi calls them ("sgd,lr=0.1,momentum=0.9", with "clip=…" for the largest norm); below it "params" [steps, elements]
after each step and, with clipping, "norm" [steps] before it.
"""

import pathlib

import torch

STEPS, ELEMENTS = 5, 40
FILE = pathlib.Path(__file__).resolve().parent / "data" / "optim.golden"
OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}
CASES = [
    "sgd,lr=0.1",
    "sgd,lr=0.1,weight_decay=0.05",
    "sgd,lr=0.1,momentum=0.9",
    "sgd,lr=0.1,momentum=0.8,weight_decay=0.05",
    "sgd,lr=0.1,momentum=0.9,nesterov=true",
    "sgd,lr=0.1,momentum=0.7,nesterov=true,weight_decay=0.05",
    "sgd,lr=0.1,clip=1.5",
    "sgd,lr=0.1,momentum=0.9,weight_decay=0.05,clip=1.5",
    "sgd,lr=0.1,clip=1000",
    "adam,lr=0.01",
    "adam,lr=0.01,weight_decay=0.1",
    "adam,lr=0.02,beta1=0.5,beta2=0.9,eps=0.001",
    "adam,lr=0.02,beta1=0,beta2=0.9,eps=0.001,clip=1.5",
    "adamw,lr=0.01",
    "adamw,lr=0.05,weight_decay=0.3",
    "adamw,lr=0.05,weight_decay=0,beta1=0.8",
    "rmsprop,lr=0.01",
    "rmsprop,lr=0.01,alpha=0.9,eps=0.01",
    "rmsprop,lr=0.01,momentum=0.9",
    "rmsprop,lr=0.01,momentum=0.5,weight_decay=0.1,alpha=0.8",
]


def floats(*shape):
    """Random numbers that are exact in float32."""
    return torch.randn(*shape).float().double()


def line(name, tensor):
    shape = "x".join(str(n) for n in tensor.shape)
    return f"{name} {shape} " + " ".join(f"{v:.9g}" for v in tensor.flatten().tolist())


def make_optimizer(name, options, param):
    words = {k: v == "true" if k == "nesterov" else float(v) for k, v in options.items()}
    betas = {k: words.pop(k) for k in ("beta1", "beta2") if k in words}
    if betas:
        words["betas"] = (betas.get("beta1", 0.9), betas.get("beta2", 0.999))
    return OPTIMIZERS[name]([param], **words)


def run(case, start, gradients):
    name, *pairs = case.split(",")
    options = dict(pair.split("=") for pair in pairs)
    clip = options.pop("clip", None)
    param = start.clone().requires_grad_()
    optimizer = make_optimizer(name, options, param)
    params, norms = [], []
    for gradient in gradients:
        param.grad = gradient.clone()
        if clip is not None:
            norms.append(torch.nn.utils.clip_grad_norm_([param], float(clip)))
        optimizer.step()
        params.append(param.detach().clone())
    yield line(f"{case}/params", torch.stack(params))
    if clip is not None:
        yield line(f"{case}/norm", torch.stack(norms))


def main():
    torch.manual_seed(3)
    start, gradients = floats(ELEMENTS), floats(STEPS, ELEMENTS)
    gradients[:, 0] = 0  # a parameter without a gradient
    gradients[:, 1] = torch.tensor([1e-6, 0, -1e-6, 2e-6, 0]).float().double()
    gradients[:, 2] *= 50
    version = torch.__version__.split("+", maxsplit=1)[0]
    lines = [f"# Optimizers, PyTorch {version}, by tests/make_golden_optim.py"]
    lines += [line("start", start), line("gradients", gradients)]
    for case in CASES:
        lines += run(case, start, gradients)
    FILE.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
