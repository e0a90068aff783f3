"""A command line that cannot be understood, told in our own words: which command, what is wrong, where help is."""

from __future__ import annotations

from typer.exceptions import TyperException

from bootstrap.cli.failures import Complaint
from mesh.protocol.commands import FailureKind

_VALIDATOR = "Value error, "  # how the validator of options begins what its own checks say


def misuse_of(error: TyperException) -> Complaint:
    """How to tell `error`."""
    context = getattr(error, "ctx", None)
    path = "zenmesh" if context is None else context.command_path
    command = path.removeprefix("zenmesh").strip() or "zenmesh"
    what = _sentence(error, command).rstrip(".")
    return Complaint(kind=FailureKind.USAGE, message=f"{what}; see `{path} --help`")


def _sentence(error: TyperException, command: str) -> str:
    if hasattr(error, "possibilities"):
        hint = f", did you mean {' or '.join(error.possibilities)}?" if error.possibilities else ""
        return f"{command} has no option {getattr(error, 'option_name', '')}{hint}"
    parameter = getattr(error, "param", None)
    if parameter is None:
        return f"{command}: {error.message[:1].lower()}{error.message[1:]}"
    argument = parameter.param_type_name == "argument"
    name = (parameter.metavar or parameter.name.upper()) if argument else parameter.opts[0]
    reason = error.message.removeprefix(_VALIDATOR)
    return f"{command}: {name}: {reason}" if reason else f"{command} needs {name}"
