"""How a drawn face comes about: dice are thrown, muscles move, somebody sits, shapes on a canvas make a portrait."""
