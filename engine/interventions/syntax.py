"""The changes that a run can have, each with the step from which it holds, and their syntax.

NAME[INDEX]@pos=P,step=S = VALUE, where all but the name may be missing. `plan` applies them.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from engine.errors import ChangeError, ConfigError
from engine.expressions.scope import Scope
from engine.expressions.source import BRACKETS, check_length, split_indices
from engine.immutable import immutable
from engine.language.say import say
from engine.model.config import Config
from engine.sampling.strategy import DecodingStrategy
from engine.text import split, token_id

GRAMMAR = re.compile(
    rf"\s*(?P<name>[\w.]+)(?P<index>{BRACKETS})?\s*"
    r"(?:@\s*(?P<at>\w+\s*=\s*\w+(?:\s*,\s*\w+\s*=\s*\w+)*))?\s*(?:=\s*(?P<value>[^=]+?))?\s*"
)
MEAN = re.compile(r"mean:(\d{1,6})")
RATES = ("learning_rate", "beta1", "beta2", "temperature")
SCALAR = "scalar"  # as a name: any scalar, by its tick in the forward phase
EXAMPLES = (
    "layer0.attn_wq[3, 5] = 0, q[0, 3]@pos=2,step=5 = 0.1, layer0.head2, layer0.mlp = mean:20, beta1@step=9 = 0.9, "
    "residual = off"
)


@immutable
class PartKind:
    """What can be switched off, by the name that it has behind its layer, as in layer0.head2.

    `numbered`: a layer has several. `constant`: it can be 0 or its mean; else it is an operand, which is left out.
    `everywhere`: without a layer it is that of all layers; `in_layer`: it can be that of one.
    """

    name: str
    numbered: bool = False
    constant: bool = False
    everywhere: bool = False
    in_layer: bool = True


PARTS = {
    kind.name: kind
    for kind in (
        PartKind("head", numbered=True, constant=True),
        PartKind("mlp", constant=True),
        PartKind("attn_residual"),
        PartKind("mlp_residual"),
        PartKind("pos", numbered=True, constant=True),
        PartKind("residual", everywhere=True),
        PartKind("score_scale", everywhere=True),
        PartKind("bias_correction", everywhere=True, in_layer=False),
    )
}
RESIDUALS = ("attn_residual", "mlp_residual")  # the tensors that the residual is added in
PART = re.compile(r"(?:layer(?P<layer>\d{1,9})\.)?(?P<kind>[a-z_]+)(?P<number>\d{1,9})?")


@immutable
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


@immutable
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


@immutable
class Ablation:
    """From the step on, replaces a part by 0 or by its mean, a constant that takes no gradient, or leaves it out.

    Replaced are head_out of a `head` at every position, mlp_fc2 of the `mlp`, or k and v of a `pos`. The mean is taken,
    when the step begins, over all positions of the next `mean_of` documents; 0 means no mean. Left out are what a
    `residual` adds (of attention, of the MLP, or both), the division of scores by the root of head_dim, and Adam's
    divisions by 1 - beta ** t. Without a layer it is that of all layers.
    """

    step: int
    layer: int | None
    kind: str
    number: int | None = None
    mean_of: int = 0

    @property
    def part(self) -> str:
        """What is switched off, as it is typed."""
        layer = "" if self.layer is None else f"layer{self.layer}."
        return f"{layer}{self.kind}{'' if self.number is None else self.number}"

    def leaves_out(self, kind: str, layer: int | None = None) -> bool:
        """Whether it leaves out an operand of this kind, in a layer or in all."""
        return kind in (self.kind, *(RESIDUALS if self.kind == "residual" else ())) and self.layer in (None, layer)

    def switches_off(self, part: Ablation) -> bool:
        """Whether that part is off with this one."""
        return self.part == part.part or (not PARTS[part.kind].constant and self.leaves_out(part.kind, part.layer))

    @property
    def text(self) -> str:
        """As it is typed."""
        off = "0" if PARTS[self.kind].constant else "off"
        return f"{self.part}@step={self.step} = " + (f"mean:{self.mean_of}" if self.mean_of else off)


@immutable
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


def all_parts(config: Config, positions: int, step: int = 0) -> list[Ablation]:
    """Everything that can be switched off from a step on: what is that of all layers, then layer by layer."""
    kinds = [kind for kind in PARTS.values() if config.n_layer or not kind.in_layer]
    found = [Ablation(step, None, kind.name) for kind in kinds if kind.everywhere]
    own = [kind for kind in kinds if kind.in_layer and (not kind.everywhere or config.n_layer > 1)]
    counts = {"head": config.n_head, "pos": positions}
    for layer in range(config.n_layer):
        for kind in own:
            numbers = range(counts[kind.name]) if kind.numbered else (None,)
            found += [Ablation(step, layer, kind.name, number) for number in numbers]
    return found


def parse(text: str, scope: Scope, step: int = 0) -> Change:
    """Read a change; where it names no step it holds from `step` on. Raises ChangeError."""
    check_length(text, ChangeError)
    read = GRAMMAR.fullmatch(text)
    if read is None:
        raise ChangeError(say("interventions.syntax.no_change", text=text.strip(), examples=EXAMPLES))
    at = _at(read["at"], text)
    pos = at.pop("pos", None)
    step = at.pop("step", step)
    if at:
        raise ChangeError(say("interventions.syntax.unknown_place", place=next(iter(at)), text=text.strip()))
    if step > scope.config.num_steps:
        raise ChangeError(
            say("interventions.syntax.there_no_step_schedule", step=step, num_steps=scope.config.num_steps)
        )
    name, value = read["name"], read["value"]
    placed = pos is not None or read["index"] is not None
    if name not in scope.specs and (part := _part(name, step)) is not None:
        _no(placed, say("interventions.syntax.part_takes_no_place", name=name, step=step))
        return _ablation(replace(part, mean_of=_mean(value, part)), scope.config)
    number_ = _number(value, name)
    if name in RATES:
        _no(placed, say("interventions.syntax.rate_takes_no_place", name=name, value=value))
        return _rate(SetHyperparameter(step, name, number_), scope.config)
    return _set(name, _index(read["index"], scope, name), pos, step, number_, scope)


def _at(text: str | None, whole: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in text.split(",") if text else []:
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key in found or not re.fullmatch(r"\d{1,9}", value):
            raise ChangeError(say("interventions.syntax.no_place", place=part.strip(), text=whole.strip()))
        found[key] = int(value)
    return found


def _no(wrong: bool, sentence: str) -> None:
    if wrong:
        raise ChangeError(sentence)


def _part(name: str, step: int) -> Ablation | None:
    """What is switched off, by its name; None if nothing is called so."""
    read = PART.fullmatch(name)
    kind = PARTS.get(read["kind"]) if read else None
    if read is None or kind is None or (read["number"] is not None) != kind.numbered:
        return None
    if not (kind.in_layer if read["layer"] else kind.everywhere):
        return None
    layer, number = (None if read[what] is None else int(read[what]) for what in ("layer", "number"))
    return Ablation(step, layer, kind.name, number)


def _mean(value: str | None, part: Ablation) -> int:
    if value is None or re.fullmatch(r"[+-]?0+(\.0*)?|zero|off", value):
        return 0
    if not PARTS[part.kind].constant:
        raise ChangeError(say("interventions.syntax.can_be_left_out", name=part.part, value=value))
    read = MEAN.fullmatch(value)
    if read is None or int(read[1]) == 0:
        raise ChangeError(say("interventions.syntax.can_be_switched_off", name=part.part, value=value))
    return int(read[1])


def _number(value: str | None, name: str) -> float:
    try:
        number = float(value or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        said = (
            say("interventions.syntax.no_value")
            if value is None
            else say("interventions.syntax.the_value", value=value)
        )
        raise ChangeError(say("interventions.syntax.needs_number", name=name, said=said))
    return number


def _index(text: str | None, scope: Scope, name: str) -> tuple[int, ...]:
    found = []
    spec = scope.specs.get(name)
    for word in split_indices(text or ""):
        said = word.strip("'\"") if spec and spec.tokens and word[:1] in "'\"" else None
        token = None if said is None else token_id(said, scope.token_ids)
        several = "" if said is None else split(said, scope.token_ids)
        if several:
            raise ChangeError(say("interventions.syntax.write_one_these", several=several))
        if token is None and not re.fullmatch(r"\d{1,9}", word):
            raise ChangeError(say("interventions.syntax.no_index_write_whole", word=word, name=name))
        found.append(int(word) if token is None else token)
    return tuple(found)


def _ablation(change: Ablation, config: Config) -> Ablation:
    _no(not config.n_layer and PARTS[change.kind].in_layer, say("interventions.syntax.no_layers", part=change.part))
    sizes = {"layer": config.n_layer, "head": config.n_head, "pos": config.block_size}
    for what, number in (("layer", change.layer), (change.kind, change.number)):
        if number is not None and number >= sizes[what]:
            last = sizes[what] - 1
            raise ChangeError(say("interventions.syntax.out_of_range", part=change.part, what=what, last=last))
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
        _no(len(index) != 1 or pos is not None, say("interventions.syntax.scalar_written_by_its"))
        return SetScalar(step, SCALAR, None, (), index, value)
    if name == "loss":
        _no(bool(index) or pos is not None, say("interventions.syntax.loss_one_number_write"))
        return SetScalar(step, name, None, (), (), value)
    spec = scope.specs.get(name)
    if spec is None:
        parts = (part.part for part in all_parts(replace(config, n_layer=min(config.n_layer, 1), n_head=1), 1))
        known = ", ".join((*scope.specs, "loss", SCALAR, *RATES, *parts))
        reason = scope.without_layers(name) or say("interventions.syntax.nothing_called", name=name)
        raise ChangeError(say("interventions.syntax.known_names", reason=reason, known=known))
    sizes = (*spec.places.values(), *spec.shape)
    if len(index) > len(sizes) or len(index) < len(spec.places):
        words = ", ".join((*spec.places, *("index" for _ in spec.shape)))
        raise ChangeError(
            say("interventions.syntax.wrong_number_of_indices", name=name, words=words, n_index=len(index))
        )
    for i, size in zip(index, sizes, strict=False):
        _no(
            i >= size,
            say("interventions.syntax.index_beyond_last", name=name, index=_brackets(index), i=i, last=size - 1),
        )
    if spec.parameter:
        _no(
            pos is not None,
            say("interventions.syntax.parameter_which_has_no", name=name, index=_brackets(index), step=step),
        )
        return SetParameter(step, name, index, value)
    if pos is None or pos >= config.block_size:
        said = say("interventions.syntax.no_position") if pos is None else say("interventions.syntax.position", pos=pos)
        raise ChangeError(
            say(
                "interventions.syntax.needs_position",
                name=name,
                said=said,
                index=_brackets(index),
                value=value,
                last=config.block_size - 1,
            )
        )
    places = len(spec.places)
    return SetScalar(step, name, pos, index[:places], index[places:], value)


def _brackets(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""
