"""
Runs scripts for TensorFlow 1 on TensorFlow 2, unmodified.

Python imports this module when it starts, because its directory is on PYTHONPATH. When a script imports `tensorflow`,
this module replaces its names by those of `tensorflow.compat.v1` and disables the behaviour of TensorFlow 2:
`tf.placeholder` and `tf.Session` work, and so does every submodule that TensorFlow 2 still has. For removed ones, the
error names the module. It runs in the Python of the environment, which does not have this package, so it imports the
standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NoReturn

REMOVED_MODULES = {
    "tensorflow.contrib": "TensorFlow 2 removed tf.contrib, and no compatibility layer provides it",
    "tensorflow.examples": "TensorFlow 2 removed tensorflow.examples: read the files of the data set instead",
}


class _RemovedModule(ModuleType):
    """Replaces a removed package; every access to an attribute raises an error with the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name)
        self.__dict__["_reason"] = reason

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{self.__name__}.{name}: {self._reason}")


class _Version1Loader(Loader):
    """Loads the real package, then replaces its names by those of its v1 API."""

    def __init__(self, real: Loader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        from tensorflow.compat import v1

        v1.disable_v2_behavior()
        # Not dir(): it would load the modules that TensorFlow loads lazily.
        for name, value in vars(v1).items():
            if not name.startswith("_"):
                setattr(module, name, value)
        module.__dict__["contrib"] = _RemovedModule("tensorflow.contrib", REMOVED_MODULES["tensorflow.contrib"])

    def __getattr__(self, name: str) -> Any:
        # Tools read sources and resources through loaders; the real loader has them.
        return getattr(self._real, name)


class _Version1Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        for removed, reason in REMOVED_MODULES.items():
            if name == removed or name.startswith(removed + "."):
                raise ModuleNotFoundError(reason, name=name)
        if name != "tensorflow":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Version1Loader(spec.loader)
        return spec


sys.meta_path.insert(0, _Version1Finder())
