"""Help as other programs spell it: `ID CHOICE [PREFIX] SIGNED…`, without the types of the parser.

What stands behind a word says its own sentence; that it is a `<str>` helps nobody.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """A command whose arguments are shown by their names alone."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The rest of the line that begins with `Usage:`."""
        arguments = [_spelled(one) for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return [self.options_metavar or "", *arguments]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The arguments, then the options, a sentence each."""
        params = self.get_params(ctx)
        arguments = [(_spelled(one), _sentence(one)) for one in params if one.param_type_name == "argument"]
        options = [one.get_help_record(ctx) for one in params if one.param_type_name == "option"]
        for title, rows in (("Arguments", arguments), ("Options", [row for row in options if row is not None])):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _spelled(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return str(name) if argument.required else f"[{name}]"


def _sentence(argument: Any) -> str:
    return str(argument.help or "")
