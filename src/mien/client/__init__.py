"""Recognition by a mien server (`mien serve`), with the records of `mien.Recognizer`. No torch."""
