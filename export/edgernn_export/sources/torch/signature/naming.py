"""Feedback by names and structure: results that are named, or nested, as the arguments they become in the next call."""

from collections.abc import Mapping, Sequence

from torch.fx import Node


def by_name(inputs: Sequence[Node], outputs: Sequence[Node], names: Sequence[str]) -> dict[int, int]:
    """Return the result of each argument whose name is one of its words: "h", "h_out" or "new_h" for "h".

    The shapes must be equal, and no other argument may have a name among the words.
    """
    arguments = {node.name: i for i, node in enumerate(inputs)}
    words = [{name, *name.split("_")} & arguments.keys() for name in names]
    matched: dict[int, int] = {}
    for argument, i in arguments.items():
        alike = [j for j, each in enumerate(words) if each == {argument} and _alike(inputs[i], outputs[j])]
        if len(alike) == 1:
            matched[i] = alike[0]
    return matched


def by_structure(
    inputs: Sequence[Node], groups: Sequence[Sequence[int]], outputs: Sequence[Node], names: Sequence[str]
) -> dict[int, int]:
    """Return the result of each tensor in a tuple or dictionary, where one result has the same structure and shapes.

    Args:
        inputs: the placeholders of the states.
        groups: for each argument, the positions of its tensors.
        outputs: the results, flat.
        names: the name of each result: "3_0" of the first tensor in the fourth.
    """
    matched: dict[int, int] = {}
    for group in groups:
        if len(group) < 2:
            continue
        found = [found for members in _nested(names).values() if (found := _paired(inputs, group, outputs, members))]
        if len(found) == 1:
            matched |= found[0]
    return matched


def _nested(names: Sequence[str]) -> dict[str, dict[int, str]]:
    """Return, for each part of the results that has several tensors, their positions with their names inside it."""
    parts: dict[str, dict[int, str]] = {}
    for j, name in enumerate(names):
        words = name.split("_")
        for k in range(1, len(words)):
            parts.setdefault("_".join(words[:k]), {})[j] = "_".join(words[k:])
    return parts


def _paired(
    inputs: Sequence[Node], group: Sequence[int], outputs: Sequence[Node], members: Mapping[int, str]
) -> dict[int, int]:
    """Return the tensors of an argument with those of a part of the results: by their keys, else in order."""
    if len(members) != len(group):
        return {}
    keys = {key: j for j, key in members.items()}
    last = {i: next((key for key in keys if inputs[i].name.endswith(f"_{key}")), "") for i in group}
    keyed = set(last.values()) == keys.keys()
    pairs = {i: keys[last[i]] if keyed else j for i, j in zip(group, members, strict=True)}
    return pairs if all(_alike(inputs[i], outputs[j]) for i, j in pairs.items()) else {}


def _alike(one: Node, other: Node) -> bool:
    return bool(one.meta["val"].shape == other.meta["val"].shape)
