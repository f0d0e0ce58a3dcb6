"""What other data sets call the expressions -> our names."""

_ALSO = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}


def expression(name: str) -> str:
    """Our name for an expression; a name we don't know comes back in lower case.

    >>> expression("Happiness"), expression("fear"), expression("Bored")
    ('happy', 'fear', 'bored')
    """
    name = name.strip().lower()
    return _ALSO.get(name, name)
