from mien.names import printable


def test_names_are_shown_but_for_what_steers_a_terminal() -> None:
    for name in (
        "\u0645\u06cc\u200c\u0631\u0648\u062f.jpg",
        "\U0001f468\u200d\U0001f469.jpg",
        "a\u3000b.jpg",
    ):  # Persian, emoji
        assert printable(name) == name
    assert printable("a\tb") == "a b"
    for sign in "\n\r\x1b\x9b\u202e\u2066\u200f\ufeff\udcff":
        assert printable(f"a{sign}b") == "a\ufffdb"
