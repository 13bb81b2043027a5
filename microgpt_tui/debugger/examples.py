"""`Examples`: what lines that the user types may say, in names of the present run."""

from __future__ import annotations

from collections.abc import Mapping

from engine.expressions.scope import Scope
from engine.model.tensors import TensorSpec
from engine.timeline.events import StepProgram


class Examples:
    """Examples of the names of one run; those of microgpt.py where it has them."""

    def __init__(self, specs: Mapping[str, TensorSpec], place_names: Mapping[str, str]) -> None:
        self._specs, self._pos, self._head = specs, place_names["pos"], place_names["head"]
        self._tensors = [each for each in specs.values() if not each.parameter]
        self.tensor = self._known("attn_weights") or self._named(self._tensors)
        self.result = self._known("logits") or self.tensor
        self.vector = self._known("q") or self._named([each for each in self._tensors if len(each.shape) == 1])
        self.parameter = self._known("wte") or next((name for name, each in specs.items() if each.parameter), "loss")

    @classmethod
    def of(cls, scope: Scope) -> Examples:
        """Those of the run that a scope is of."""
        return cls(scope.specs, scope.place_names)

    @classmethod
    def of_program(cls, program: StepProgram) -> Examples:
        """Those of the run that a step belongs to."""
        return cls(program.specs, program.place_names)

    def _known(self, name: str) -> str:
        return name if name in self._specs else ""

    def _named(self, specs: list[TensorSpec]) -> str:
        """The last of some tensors; the loss where there is none."""
        return specs[-1].name if specs else "loss"

    def _number(self, name: str, index: tuple[int, ...]) -> str:
        """One number of a tensor: at this index, or at the last one that it has."""
        spec = self._specs.get(name)
        if spec is None or not spec.shape:
            return name
        usual = (*index, *[0] * len(spec.shape))
        return f"{name}[{', '.join(str(min(i, size - 1)) for i, size in zip(usual, spec.shape, strict=False))}]"

    def at(self, name: str, pos: int, head: bool = False) -> str:
        """A tensor at a position, and in a head, where it has these."""
        spec = self._specs.get(name)
        places = []
        if spec is not None and spec.positions and not spec.parameter:
            places.append(f"{self._pos}={pos}")
        if head and spec is not None and "head" in spec.places:
            places.append(f"{self._head}=1")
        return f"{name}@{','.join(places)}" if places else name

    @property
    def has_positions(self) -> bool:
        """Whether there is a position to go to."""
        return any(each.positions for each in self._tensors)

    @property
    def weight(self) -> str:
        """One number of a parameter."""
        return self._number(self.parameter, (5, 3))

    @property
    def element(self) -> str:
        """One number of a vector."""
        return self._number(self.vector, (3,))

    @property
    def goto_hint(self) -> str:
        """What the go-to line takes, side by side."""
        place = [f"{self._pos} 3"] if self.has_positions else []
        later = " ".join(["99", "backward", self.at(self.vector, 1)])
        parts = ["step 500", "+50", *place, self.result, self.weight, later]
        return "   ".join([*parts, " ".join(["next", self.element]), "loss < 2"])

    @property
    def places(self) -> dict[str, str]:
        """What the go-to line takes, by what a sentence calls it."""
        place = f", {self._pos} 3" if self.has_positions else ""
        return {"place": place, "tensor": self.tensor, "weight": self.weight, "vector": self.at(self.vector, 1)}

    @property
    def scalars(self) -> dict[str, str]:
        """Two single numbers, by what a sentence calls them."""
        return {"weight": self.weight, "element": self.element}

    @property
    def search_hint(self) -> str:
        """What the search line takes, side by side."""
        head = [f"{self._head} 2 weights"] if self._known("attn_weights") else []
        place = [f"{self._pos} 1 {self._known('embed') or self.vector}"] if self.has_positions else []
        token = [" ".join(["token", "a"])] if any(each.tokens for each in self._specs.values()) else []
        return "   ".join([self.tensor, *head, *place, *token, " ".join(["backward", self.parameter])])

    @property
    def events(self) -> dict[str, str]:
        """Two events, one with all that tells it apart."""
        return {"event": self.at(self.tensor, 2, head=True), "short": self.at(self.vector, 1)}
