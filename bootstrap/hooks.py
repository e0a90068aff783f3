"""The voting hook of a home: whether its program can be started is known before the node is."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from bootstrap.config import Config
from bootstrap.home import Home
from wire.errors import ConfigError

if TYPE_CHECKING:
    from mesh.runtime.hook import Execute, Hook


def hook_of(home: Home, config: Config, execute: Execute) -> Hook | None:
    """The hook that config.toml names, None where it names none. Raises ConfigError."""
    if not config.hook.program:
        return None
    from mesh.runtime.hook import Hook, HookConfig

    program = [find_program(config), *config.hook.program[1:]]
    return Hook(HookConfig(program=program, directory=home.path, timeout_s=config.hook.timeout_s), execute)


def find_program(config: Config) -> str:
    """Where the hook's program is. Raises ConfigError when it is nowhere, or cannot be run."""
    name = config.hook.program[0]
    found = shutil.which(name) if "/" not in name or os.path.isabs(name) else None
    if found is None:
        rule = "no program that this user can run: an absolute path, or a name that the PATH knows; is it executable?"
        raise ConfigError("voting.hook", name, rule)
    return found
