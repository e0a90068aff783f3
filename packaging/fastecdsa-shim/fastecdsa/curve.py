from __future__ import annotations

from typing import NoReturn

from fastecdsa._absent import absent


class Curve:
    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> NoReturn:
        absent(name)


P256, P384, P521, secp256k1 = (Curve(n) for n in ("P256", "P384", "P521", "secp256k1"))
