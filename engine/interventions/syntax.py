"""The changes that a run can have, each with the step from which it holds, and their syntax.

NAME[INDEX]@pos=P,step=S = VALUE, where all but the name may be missing. `plan` applies them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from engine.errors import ChangeError, ConfigError
from engine.expressions.scope import Scope
from engine.expressions.source import BRACKETS, check_length, split_indices
from engine.model.config import Config
from engine.sampling.strategy import DecodingStrategy
from engine.text import split, token_id

GRAMMAR = re.compile(
    rf"\s*(?P<name>[\w.]+)(?P<index>{BRACKETS})?\s*"
    r"(?:@\s*(?P<at>\w+\s*=\s*\w+(?:\s*,\s*\w+\s*=\s*\w+)*))?\s*(?:=\s*(?P<value>[^=]+?))?\s*"
)
PART = re.compile(r"layer(?P<layer>\d{1,9})\.(?:(?P<kind>head|pos)(?P<number>\d{1,9})|(?P<mlp>mlp))")
MEAN = re.compile(r"mean:(\d{1,6})")
RATES = ("learning_rate", "beta1", "beta2", "temperature")
SCALAR = "scalar"  # as a name: any scalar, by its tick in the forward phase
EXAMPLES = (
    "layer0.attn_wq[3, 5] = 0, q[0, 3]@pos=2,step=5 = 0.1, layer0.head2, layer0.mlp = mean:20, beta1@step=9 = 0.9"
)


@dataclass(frozen=True, slots=True)
class SetParameter:
    """Sets an element, a row or all of a parameter matrix when the step begins."""

    step: int
    matrix: str
    index: tuple[int, ...]
    value: float

    @property
    def text(self) -> str:
        """As it is typed."""
        return f"{self.matrix}{_brackets(self.index)}@step={self.step} = {self.value!r}"


@dataclass(frozen=True, slots=True)
class SetScalar:
    """Sets an element or all of a tensor when the step has computed it; local derivatives stay those of the original.

    `place` is the layer and the head, if the tensor has them.
    """

    step: int
    name: str
    pos: int | None
    place: tuple[int, ...]
    index: tuple[int, ...]
    value: float

    @property
    def text(self) -> str:
        """As it is typed."""
        at = f"step={self.step}" if self.pos is None else f"pos={self.pos},step={self.step}"
        return f"{self.name}{_brackets((*self.place, *self.index))}@{at} = {self.value!r}"


@dataclass(frozen=True, slots=True)
class Ablation:
    """From the step on, replaces a part of a layer by 0 or by its mean, a constant that takes no gradient.

    The part is head_out of a `head` at every position, mlp_fc2 of the `mlp`, or k and v of a `pos`. The mean is taken,
    when the step begins, over all positions of the next `mean_of` documents; 0 means no mean.
    """

    step: int
    layer: int
    kind: str
    number: int | None = None
    mean_of: int = 0

    @property
    def part(self) -> str:
        """What is switched off, as it is typed."""
        return f"layer{self.layer}.{self.kind}{'' if self.number is None else self.number}"

    @property
    def text(self) -> str:
        """As it is typed."""
        return f"{self.part}@step={self.step}" + (f" = mean:{self.mean_of}" if self.mean_of else " = 0")


@dataclass(frozen=True, slots=True)
class SetHyperparameter:
    """Sets a hyperparameter of training or sampling from the step on; the learning rate still decays to 0."""

    step: int
    name: str
    value: float

    @property
    def text(self) -> str:
        """As it is typed."""
        return f"{self.name}@step={self.step} = {self.value!r}"


Change = SetParameter | SetScalar | Ablation | SetHyperparameter


def parse(text: str, scope: Scope, step: int = 0) -> Change:
    """Read a change; where it names no step it holds from `step` on. Raises ChangeError."""
    check_length(text, ChangeError)
    read = GRAMMAR.fullmatch(text)
    if read is None:
        raise ChangeError(f"{text.strip()!r} is no change; write for example {EXAMPLES}")
    at = _at(read["at"], text)
    pos = at.pop("pos", None)
    step = at.pop("step", step)
    if at:
        raise ChangeError(f"{next(iter(at))!r} in {text.strip()!r} says no place; write @pos=2,step=5")
    if step > scope.config.num_steps:
        raise ChangeError(f"there is no step {step} in this schedule; write a step from 0 to {scope.config.num_steps}")
    name, value = read["name"], read["value"]
    part = PART.fullmatch(name)
    placed = pos is not None or read["index"] is not None
    if part is not None and name not in scope.specs:
        _no(placed, f"{name} takes no [...] and no pos; write {name}@step={step}")
        kind, number = (part["kind"], int(part["number"])) if part["kind"] else ("mlp", None)
        return _ablation(Ablation(step, int(part["layer"]), kind, number, _mean(value, name)), scope.config)
    number_ = _number(value, name)
    if name in RATES:
        _no(placed, f"{name} takes no [...] and no pos; write {name} = {value}")
        return _rate(SetHyperparameter(step, name, number_), scope.config)
    return _set(name, _index(read["index"], scope, name), pos, step, number_, scope)


def _at(text: str | None, whole: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in text.split(",") if text else []:
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key in found or not re.fullmatch(r"\d{1,9}", value):
            raise ChangeError(f"{part.strip()!r} in {whole.strip()!r} says no place; write @pos=2,step=5, each once")
        found[key] = int(value)
    return found


def _no(wrong: bool, sentence: str) -> None:
    if wrong:
        raise ChangeError(sentence)


def _mean(value: str | None, name: str) -> int:
    if value is None or re.fullmatch(r"[+-]?0+(\.0*)?|zero|off", value):
        return 0
    read = MEAN.fullmatch(value)
    if read is None or int(read[1]) == 0:
        raise ChangeError(f"{name} can be switched off to 0 or to a mean, not to {value}; write {name} = mean:20")
    return int(read[1])


def _number(value: str | None, name: str) -> float:
    try:
        number = float(value or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        said = "no value" if value is None else f"the value {value!r}"
        raise ChangeError(f"{name} is given {said}; write a finite number after =, as in {name} = 0.1")
    return number


def _index(text: str | None, scope: Scope, name: str) -> tuple[int, ...]:
    found = []
    spec = scope.specs.get(name)
    for word in split_indices(text or ""):
        said = word.strip("'\"") if spec and spec.tokens and word[:1] in "'\"" else None
        token = None if said is None else token_id(said, scope.token_ids)
        several = "" if said is None else split(said, scope.token_ids)
        if several:
            raise ChangeError(f"{several}; write one of these")
        if token is None and not re.fullmatch(r"\d{1,9}", word):
            raise ChangeError(f"{word!r} is no index of {name}; write whole numbers that count from 0, as in [3, 5]")
        found.append(int(word) if token is None else token)
    return tuple(found)


def _ablation(change: Ablation, config: Config) -> Ablation:
    _no(not config.n_layer, f"{change.part} does not exist: this model has no layers; change for example wte[2] = 0")
    sizes = {"layer": config.n_layer, "head": config.n_head, "pos": config.block_size, "mlp": 1}
    for what, number in (("layer", change.layer), (change.kind, change.number or 0)):
        _no(number >= sizes[what], f"{change.part} does not exist: {what} goes from 0 to {sizes[what] - 1}")
    return change


def _rate(change: SetHyperparameter, config: Config) -> SetHyperparameter:
    try:
        if change.name == "temperature":
            DecodingStrategy(change.value)
        else:
            replace(config, **{change.name: change.value})  # type: ignore[arg-type]
    except ConfigError as error:
        raise ChangeError(str(error)) from None
    return change


def _set(name: str, index: tuple[int, ...], pos: int | None, step: int, value: float, scope: Scope) -> Change:
    config = scope.config
    if name == SCALAR:
        _no(len(index) != 1 or pos is not None, "a scalar is written by its number, as in scalar[21376]@step=5 = 0")
        return SetScalar(step, SCALAR, None, (), index, value)
    if name == "loss":
        _no(bool(index) or pos is not None, "loss is one number; write loss@step=5 = 1, or loss_t@pos=2,step=5 = 1")
        return SetScalar(step, name, None, (), (), value)
    spec = scope.specs.get(name)
    if spec is None:
        parts = ("layer0.head0", "layer0.mlp", "layer0.pos0") if config.n_layer else ()
        known = ", ".join((*scope.specs, "loss", SCALAR, *RATES, *parts))
        reason = scope.without_layers(name) or f"nothing is called {name!r}"
        raise ChangeError(f"{reason}; there are {known}")
    sizes = (*spec.places.values(), *spec.shape)
    if len(index) > len(sizes) or len(index) < len(spec.places):
        words = ", ".join((*spec.places, *("index" for _ in spec.shape)))
        raise ChangeError(f"{name} is written {name}[{words}], of which you gave {len(index)}")
    for i, size in zip(index, sizes, strict=False):
        _no(i >= size, f"{name}{_brackets(index)} has an index {i}, beyond the last, {size - 1}")
    if spec.parameter:
        _no(pos is not None, f"{name} is a parameter, which has no pos; write {name}{_brackets(index)}@step={step}")
        return SetParameter(step, name, index, value)
    if pos is None or pos >= config.block_size:
        said = "no position" if pos is None else f"position {pos}"
        raise ChangeError(f"{name} is given {said}; write {name}{_brackets(index)}@pos=2 = {value!r}, with a position "
                          f"from 0 to {config.block_size - 1}")  # fmt: skip
    places = len(spec.places)
    return SetScalar(step, name, pos, index[:places], index[places:], value)


def _brackets(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""
