"""What is wrong with a data set: copies, leaks, blanks, non-faces, likely mislabels. Faces never leave the machine."""
