"""Finds iteration in hash order: loops, comprehensions and conversions over sets, in one module's syntax.

A set's order depends on PYTHONHASHSEED, so what a pure core iterates must be a dict, a sequence or `sorted()`. What
is a set is told from the syntax alone: set displays and comprehensions, calls of `set` and `frozenset`, their
operators and methods, differences of `.keys()`, and every name or attribute that this module annotates as a set or
assigns one to. Consumers that cannot show an order (`sorted`, `len`, `any`, `set`…) may have one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_MAKERS = ("set", "frozenset")
_SET_TYPES = (*_MAKERS, "AbstractSet", "MutableSet", "Set")
_SET_METHODS = ("union", "intersection", "difference", "symmetric_difference")
_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
_ORDERLESS = ("sorted", "len", "any", "all", "sum", "min", "max", "bool", *_MAKERS)
_ORDERED = ("list", "tuple", "iter", "enumerate", "map", "filter", "zip", "reversed", "next", "dict")


def iterations_by_hash(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of each place where a set's order is taken."""
    names = _names_of_sets(tree)
    harmless = set(map(id, _harmless(tree)))
    for node in ast.walk(tree):
        for taken in _taken_from(node, harmless):
            if _is_set(taken, names):
                yield taken.lineno, f"the order of {ast.unparse(taken)!r} depends on hashing: use a dict or sorted()"


def _taken_from(node: ast.AST, harmless: set[int]) -> Iterator[ast.expr]:
    """The expressions whose order `node` takes."""
    match node:
        case ast.For(iter=taken):
            yield taken
        case ast.ListComp() | ast.GeneratorExp() | ast.DictComp() if id(node) not in harmless:
            for generator in node.generators:
                yield generator.iter
        case ast.Starred(value=taken) | ast.YieldFrom(value=taken):
            yield taken
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _ORDERED and id(node) not in harmless:
            yield from arguments
        case ast.Call(func=ast.Name(id="sorted" | "min" | "max"), args=arguments) if _has_key(node):
            yield from arguments
        case ast.Call(func=ast.Attribute(attr="join" | "extend"), args=arguments):
            yield from arguments
        case ast.Call(func=ast.Attribute(attr="pop", value=taken), args=[]):
            yield taken


def _harmless(tree: ast.Module) -> Iterator[ast.expr]:
    """Arguments of consumers that cannot show an order (a `key` can, among equals)."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in _ORDERLESS and not _has_key(node):
                yield from arguments


def _has_key(call: ast.Call) -> bool:
    return any(option.arg == "key" for option in call.keywords)


def _names_of_sets(tree: ast.Module) -> frozenset[str]:
    """Every name and attribute (by its last part) that the module makes a set."""
    names: dict[str, None] = {}
    grew = True
    while grew:
        before = len(names)
        for node in ast.walk(tree):
            names |= dict.fromkeys(_made_sets(node, frozenset(names)))
        grew = len(names) > before
    return frozenset(names)


def _made_sets(node: ast.AST, known: frozenset[str]) -> Iterator[str]:
    match node:
        case ast.AnnAssign(target=target, annotation=annotation) if _names_a_set_type(annotation):
            yield from _name(target)
        case ast.arg(arg=name, annotation=ast.expr() as annotation) if _names_a_set_type(annotation):
            yield name
        case ast.FunctionDef(name=name, returns=ast.expr() as annotation) if _names_a_set_type(annotation):
            yield f"{name}()"
        case ast.Assign(targets=targets, value=value) if _is_set(value, known):
            for target in targets:
                yield from _name(target)


def _names_a_set_type(annotation: ast.expr) -> bool:
    head = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return isinstance(head, ast.Name) and head.id in _SET_TYPES


def _name(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name


def _is_set(expression: ast.expr, names: frozenset[str]) -> bool:
    match expression:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=name)) if name in _MAKERS:
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if f"{name}()" in names:
            return True
        case ast.Call(func=ast.Attribute(attr=method, value=value)) if method in _SET_METHODS:
            return _is_set(value, names)
        case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, _OPERATORS):
            return any(_is_set(side, names) or _is_keys(side) for side in (left, right))
        case ast.IfExp(body=body, orelse=orelse):
            return _is_set(body, names) or _is_set(orelse, names)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in names
    return False


def _is_keys(expression: ast.expr) -> bool:
    match expression:
        case ast.Call(func=ast.Attribute(attr="keys" | "items")):
            return True
    return False
