"""Edits of any protocol buffer message, by its own description."""

from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

from tests.fuzz import values

_REALS = (Field.CPPTYPE_FLOAT, Field.CPPTYPE_DOUBLE)


def edit_anywhere(message: Message, rng: Random) -> None:
    """Change one field of the message, or of a message somewhere inside it."""
    for _ in range(20):  # a place may have nothing to change
        if _edit(_inside(message, rng), rng):
            return


def _inside(message: Message, rng: Random) -> Message:
    while rng.random() < 0.85:
        below = [item for field, held in message.ListFields() for item in _messages(field, held)]
        if not below:
            break
        message = rng.choice(below)
    return message


def _messages(field: Any, held: Any) -> list[Message]:
    if field.cpp_type != Field.CPPTYPE_MESSAGE:
        return []
    return list(held) if field.is_repeated else [held]


def _edit(message: Message, rng: Random) -> bool:
    present = [field for field, _ in message.ListFields()]
    known = list(message.DESCRIPTOR.fields)
    field = rng.choice(present if present and rng.random() < 0.8 else known)
    if field.is_repeated:
        return _edit_list(getattr(message, field.name), field, rng)
    if rng.random() < 0.1:
        message.ClearField(field.name)
        return True
    if field.cpp_type == Field.CPPTYPE_MESSAGE:
        message.ClearField(field.name)
        getattr(message, field.name).SetInParent()
        return True
    return _set(message, field, rng)


def _set(message: Message, field: Any, rng: Random) -> bool:
    try:
        setattr(message, field.name, _value(field, getattr(message, field.name), rng))
    except (ValueError, TypeError):  # out of the field's range
        return False
    return True


def _edit_list(held: Any, field: Any, rng: Random) -> bool:
    kind = rng.randrange(5)
    is_message = field.cpp_type == Field.CPPTYPE_MESSAGE
    if kind == 0 and len(held):
        del held[rng.randrange(len(held))]
    elif kind == 1 and len(held):
        again = held[rng.randrange(len(held))]
        held.add().CopyFrom(again) if is_message else held.append(again)
    elif kind == 2 and len(held) > 1:
        items = list(held)
        a, b = rng.sample(range(len(items)), 2)
        items[a], items[b] = items[b], items[a]
        copies = [type(i).FromString(i.SerializeToString()) for i in items] if is_message else items
        del held[:]
        held.extend(copies)
    elif is_message:
        held.add()
    else:
        return _put(held, field, rng)
    return True


def _put(held: Any, field: Any, rng: Random) -> bool:
    at = rng.randrange(len(held) + 1)
    old = held[at] if at < len(held) else None
    try:
        value = _value(field, old, rng)
        if at < len(held):
            held[at] = value
        else:
            held.append(value)
    except (ValueError, TypeError):
        return False
    return True


def _value(field: Any, old: Any, rng: Random) -> Any:
    if field.enum_type is not None:
        return rng.choice([v.number for v in field.enum_type.values])
    if field.cpp_type in _REALS:
        return values.real(rng)
    if field.type == Field.TYPE_BYTES:
        return values.flipped(old or b"", rng)
    if field.cpp_type == Field.CPPTYPE_STRING:
        return values.text(rng)
    return values.integer(rng) if rng.random() < 0.5 else (old or 0) + rng.choice((-1, 1))
