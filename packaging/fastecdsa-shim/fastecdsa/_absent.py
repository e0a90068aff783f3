from __future__ import annotations

from typing import NoReturn


def absent(*_args: object, **_kwargs: object) -> NoReturn:
    raise NotImplementedError(
        "this environment holds zenmesh's placeholder for fastecdsa: elliptic-curve transports other than Noise "
        "are not offered. Install the real fastecdsa (needs a C compiler and libgmp) to use them."
    )
