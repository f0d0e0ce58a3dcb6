"""Recognition by a server of mien's (`mien serve`), with the records of `mien.Recognizer`. No torch."""
