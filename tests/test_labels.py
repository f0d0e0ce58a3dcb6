"""Colours of classes."""

from mien.labels import COLOURS, FERPLUS, colours


def test_expressions_keep_their_colours_and_others_take_what_is_left() -> None:
    assert colours(FERPLUS) == tuple(COLOURS.values())
    for classes in (("disgust", "bored", "happy"), ("bored", "tired", "sad", "angry"), [f"own {k}" for k in range(8)]):
        shades = colours(classes)
        assert len(set(shades)) == len(classes)
        assert all(shade == COLOURS.get(name, shade) for name, shade in zip(classes, shades, strict=True))
    assert len(colours([*FERPLUS, "bored"])) == 9
