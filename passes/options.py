"""Options of passes, ``replicate{max-copies=4}``: read from text or data, and checked strictly.

An option is a field of a pass that holds one plain value. Fields that hold more, such as
recordings, are filled in by the compiler alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

from mapper.diagnostics import Diagnostic, MappingError, nearest
from mapper.ir.frozen import FrozenMap
from passes import PIPELINE, Pass
from passes.ran import PassOptions, Plain, shown

_SETTING = re.compile(r"([^{}]*)\{([^{}]*)\}")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a pass."""

    name: str
    """As on the command line: ``max-copies`` for the field ``max_copies``."""
    hint: Any
    """The field's annotation: a ``Literal``, ``bool``, or a number with its bounds."""
    default: Plain

    @property
    def type(self) -> str:
        """What it takes, in words: ``an integer 1..1000000``, ``channel or layer``."""
        if self.hint is bool:
            return "true or false"
        if get_origin(self.hint) is Literal:
            return " or ".join(get_args(self.hint))
        base, bounds = get_args(self.hint)
        return (
            f"{'an integer' if base is int else 'a number'} {bounds.low:.12g}..{bounds.high:.12g}"
        )

    def value(self, text: str) -> Plain:
        """Return what a text says; the text itself where it is none of the option's values."""
        if self.hint is bool:
            return {"true": True, "false": False}.get(text, text)
        if get_origin(self.hint) is Literal:
            return text
        base, _ = get_args(self.hint)
        form = _INTEGER if base is int else _NUMBER
        number: Plain = base(text) if form.fullmatch(text) else text
        return number

    def takes(self, value: object) -> bool:
        """Say whether it is of the option's type, within its bounds; True is no number."""
        if self.hint is bool:
            return isinstance(value, bool)
        if get_origin(self.hint) is Literal:
            return isinstance(value, str) and value in get_args(self.hint)
        base, bounds = get_args(self.hint)
        if type(value) not in ((int,) if base is int else (int, float)):
            return False
        assert isinstance(value, int | float)
        return isfinite(value) and bounds.low <= value <= bounds.high


def options_of(kind: type[Pass]) -> tuple[Option, ...]:
    """Return the options of a pass, in the order of its fields."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        Option(
            name=spec.name.replace("_", "-"),
            hint=hints[spec.name],
            default=cast(Plain, spec.default),
        )
        for spec in fields(kind)
        if hints[spec.name] is bool or get_origin(hints[spec.name]) in (Annotated, Literal)
    )


def given_options(step: Pass) -> Mapping[str, Plain]:
    """Return the options of a pass that differ from its defaults, by name."""
    held = {option: getattr(step, _field(option.name)) for option in options_of(type(step))}
    return FrozenMap({o.name: value for o, value in held.items() if value != o.default})


def with_options(step: Pass, options: PassOptions) -> Pass:
    """Return a pass with its own of the options, which ``checked`` or ``parse`` returned."""
    own = options.get(step.name)
    if not own:
        return step
    return replace(step, **{_field(name): value for name, value in own.items()})


def parse(texts: Iterable[str]) -> PassOptions:
    """Read options of the command line, ``NAME{OPTION=VALUE,...}`` each.

    Raises:
        MappingError: ``unknown-pass``, ``unknown-option`` or ``bad-option`` for all that is wrong.
    """
    wrong: list[Diagnostic] = []
    found: dict[str, dict[str, Plain]] = {}
    for text in texts:
        for name, option, value in _settings(text, wrong):
            chosen = found.setdefault(name, {})
            if option in chosen:
                wrong.append(_bad(f"'{option}' of pass '{name}' is given twice"))
            known = _option(name, option)
            chosen[option] = value if known is None else known.value(value)
    wrong += _problems(found)
    if wrong:
        raise MappingError(wrong)
    return found


def checked(options: Mapping[str, Mapping[str, object]]) -> PassOptions:
    """Check options given as data: ``{"replicate": {"max_copies": 4}}``, or with dashes.

    Raises:
        MappingError: ``unknown-pass``, ``unknown-option`` or ``bad-option`` for all that is wrong.
    """
    named = {
        name: {option.replace("_", "-"): value for option, value in own.items()}
        for name, own in options.items()
    }
    if wrong := list(_problems(named)):
        raise MappingError(wrong)
    return cast(PassOptions, named)  # whose values are all plain: each is one that its option takes


def unknown_pass(name: str) -> Diagnostic | None:
    """Return what is wrong with a name that no pass has."""
    known = [kind.name for kind in PIPELINE]
    if name in known:
        return None
    return Diagnostic(
        code="unknown-pass",
        message=f"no pass is named '{name}'{nearest(name, known)}",
        help=f"one of {', '.join(known)}",
    )


# --- what is wrong ----------------------------------------------------------------------------


def _settings(text: str, wrong: list[Diagnostic]) -> Iterator[tuple[str, str, str]]:
    """Yield the pass, option and value of each setting in a text."""
    whole = _SETTING.fullmatch(text.strip())
    parts = [] if whole is None else whole[2].split(",")
    pairs = [part.partition("=") for part in parts]
    if whole is None or not all(equals and name.strip() for name, equals, _ in pairs):
        wrong.append(_bad(f"'{text}' is not NAME{{OPTION=VALUE,...}}"))
        return
    for option, _, value in pairs:
        yield whole[1].strip(), option.strip(), value.strip()


def _problems(options: Mapping[str, Mapping[str, object]]) -> Iterator[Diagnostic]:
    for name, own in options.items():
        if problem := unknown_pass(name):
            yield problem
            continue
        yield from (p for option, value in own.items() if (p := _problem(name, option, value)))


def _problem(name: str, option: str, value: object) -> Diagnostic | None:
    known = _option(name, option)
    if known is None:
        names = [o.name for o in options_of(_kinds()[name])]
        return Diagnostic(
            code="unknown-option",
            message=f"pass '{name}' has no option '{option}'{nearest(option, names)}",
            help=f"its options are {', '.join(names)}" if names else "it has no options",
        )
    if known.takes(value):
        return None
    near = ""
    if get_origin(known.hint) is Literal:
        near = nearest(str(value), list(get_args(known.hint)))
    return _bad(f"'{option}' of pass '{name}' is {known.type}, got {shown(value)}{near}")


def _bad(message: str) -> Diagnostic:
    help = "'spikeloom passes NAME' lists the options of a pass"
    return Diagnostic(code="bad-option", message=message, help=help)


def _kinds() -> dict[str, type[Pass]]:
    return {kind.name: kind for kind in PIPELINE}


def _option(name: str, option: str) -> Option | None:
    kind = _kinds().get(name)
    known = () if kind is None else options_of(kind)
    return next((o for o in known if o.name == option), None)


def _field(option: str) -> str:
    return option.replace("-", "_")
