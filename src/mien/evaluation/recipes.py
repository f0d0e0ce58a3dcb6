"""Which runs are of one recipe, and what to call each recipe among others, from cards."""

import json
from collections.abc import Sequence
from typing import Any

from mien.cards import TAUGHT, Card


def recipe_key(card: Card) -> str:
    """What the seeds of one recipe share, as text: the network and what it costs (code of one's own may have changed),
    the recipe but its seed, the weights that it went on from, the training faces, having teachers."""
    recipe = {name: value for name, value in _recipe(card).items() if name != "seed"} | {"init": _init(card)}
    faces, taught = card.data.checksums.get("train"), TAUGHT in card.notes
    network = (card.model, card.options, card.parameters, card.macs)
    return json.dumps((network, recipe, faces, taught), sort_keys=True)  # options may be in another order


def recipe_titles(cards: Sequence[Card]) -> list[str]:
    """A name for the recipe of each card: network and preset, and where several share these also what differs."""
    plain = [f"{card.model}, {card.preset}" if card.preset else card.model for card in cards]
    titles = []
    for name, card in zip(plain, cards, strict=True):
        alike = [_fields(one) for one, title in zip(cards, plain, strict=True) if title == name]
        mine = _fields(card)
        differ = [key for key in mine if any(one.get(key) != mine[key] for one in alike)]
        titles.append(", ".join([name, *(f"{key} {mine[key]}" for key in differ)]))
    return [  # the networks themselves differ where nothing else does
        f"{title}, parameters {card.parameters}, multiply-adds {card.macs}" if titles.count(title) > 1 else title
        for title, card in zip(titles, cards, strict=True)
    ]


def _fields(card: Card) -> dict[str, Any]:
    """What may tell a recipe from others of its preset."""
    fields = {name: value for name, value in _recipe(card).items() if name not in ("seed", "options")} | card.options
    fields["init"] = _init(card)
    fields["training faces"] = card.data.checksums.get("train", "unknown")[:8]
    return fields | {"taught": "yes" if TAUGHT in card.notes else "no"}


def _recipe(card: Card) -> dict[str, Any]:
    """The recipe of a card; fields that older cards lack have the values that were in force then."""
    recipe = {"plain": 0.0, "norm_faces": 0, "teachers": [], "distil": 0.0} | card.recipe
    return recipe if recipe["teachers"] else recipe | {"distil": 0.0}  # without teachers it has no effect


def _init(card: Card) -> str:
    """The weights that a run went on from, with their checksum, for every other run's folder is called `best`."""
    return " ".join([*filter(None, [str(card.recipe.get("init", "")), card.init[:8]])])
