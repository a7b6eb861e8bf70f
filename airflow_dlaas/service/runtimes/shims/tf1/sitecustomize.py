"""
Lets scripts written for TensorFlow 1 run on TensorFlow 2, unmodified.

Python imports this module when it starts (its folder is on PYTHONPATH). It lays the names of `tensorflow.compat.v1`
over `tensorflow`, with the behaviour of TensorFlow 2 switched off, the moment a script imports it: `tf.placeholder` and
`tf.Session` work, and so does every submodule that TensorFlow 2 still has. What it has no more is named in the error.
It runs in the environment's Python, which has nothing of ours: so it needs the standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NoReturn

REMOVED_MODULES = {
    "tensorflow.contrib": "tf.contrib went with TensorFlow 2, and no compatibility layer brings it back",
    "tensorflow.examples": "tensorflow.examples went with TensorFlow 2: read the data set's own files instead",
}


class _RemovedModule(ModuleType):
    """Stands where a package was, and says so whenever something of it is asked for."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name)
        self.__dict__["_why"] = reason

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{self.__name__}.{name}: {self._why}")


class _Version1Loader(Loader):
    """Loads the real package, then lays the names of its v1 API over it."""

    def __init__(self, real: Loader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        from tensorflow.compat import v1

        v1.disable_v2_behavior()
        # Not dir(): it would wake what TensorFlow loads lazily.
        for name, value in vars(v1).items():
            if not name.startswith("_"):
                setattr(module, name, value)
        module.__dict__["contrib"] = _RemovedModule("tensorflow.contrib", REMOVED_MODULES["tensorflow.contrib"])

    def __getattr__(self, name: str) -> Any:
        # Tools ask loaders for sources and resources; those are the real one's business.
        return getattr(self._real, name)


class _Version1Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        for removed, why in REMOVED_MODULES.items():
            if name == removed or name.startswith(removed + "."):
                raise ModuleNotFoundError(why, name=name)
        if name != "tensorflow":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Version1Loader(spec.loader)
        return spec


sys.meta_path.insert(0, _Version1Finder())
