# %% [markdown]
# # Lesson 0: faces as numbers
#
# A computer has never seen a face. It has only ever seen numbers. Before we teach one to read expressions, we have to
# see what it sees. That is this lesson.
#
# **At the end you can** say what a pixel, a label, a split, a batch and a tensor are; read FER2013 yourself, from a
# text file to batches that PyTorch takes; and move the work to a graphics card, if you have one.
#
# **You need** a little Python: lists, functions, a class. Nothing about machine learning. About 40 minutes.
#
# **How to read it.** Now and then a box asks you for a *guess*. Please make it before you read on, best in writing. A
# wrong guess is worth more than no guess: what surprises you is what you remember. A line with `assert` is a check: it
# stops the lesson if what it says isn't true. You needn't understand the code that draws pictures (`plt`,
# `show_faces`); read what it shows.
#
# Nothing is downloaded. If you don't have the real data set, `mien` draws faces, the same ones on every machine. To use
# the real one, write its whole path, such as `"/home/me/mien/data/fer2013.csv"`, into `DATA` in `blackboard.py`.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from blackboard import BLUE, GRAY, ORANGE, bars, fer2013_csv, show_faces
from torch.utils.data import DataLoader, Dataset

import mien

# %% [markdown]
# ## 1. One face is a table of numbers
#
# Here is one face. It is 48 numbers wide and 48 numbers high. Each number is one **pixel** (short for *picture
# element*), a small square of one shade. 0 is black, 255 is white, and everything between is gray.

# %% picture="one face"
face = mien.drawn_faces(100).train.images[2]
print("shape:", face.shape, " type:", face.dtype, " darkest:", face.min(), " lightest:", face.max())

top, left, side = 12, 26, 12
eye = face[top : top + side, left : left + side]
figure, (whole, near) = plt.subplots(1, 2, figsize=(8.6, 4.2), width_ratios=(1, 1.15))
whole.imshow(face, vmin=0, vmax=255)
whole.add_patch(plt.Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor=ORANGE, linewidth=2))
whole.set_title("what we see")
near.imshow(eye, vmin=0, vmax=255)
for (row, column), shade in np.ndenumerate(eye):
    near.text(column, row, shade, ha="center", va="center", fontsize=6.5, color="white" if shade < 128 else "black")
near.set_title("what the computer sees, inside the orange square")
for panel in (whole, near):
    panel.axis("off")
plt.show()

# %% [markdown]
# The type is `uint8`: a whole number without a sign, in 8 bits. 8 bits can count from 0 to 255 and no further. That is
# thrifty, one byte a pixel. It also has a trap, and nearly everyone falls into it once.
#
# > **Your guess.** We want a brighter picture, so we add 100 to every pixel. A pixel of 200 becomes 300, which is more
# > than 255. What will the picture look like?

# %% picture="plus 100"
added = face + np.uint8(100)
show_faces([face, added], ["as it is", "+ 100 in uint8"], columns=2, height=2.4)
plt.show()
print("200 + 100 in uint8 is", (np.array([200], np.uint8) + np.uint8(100))[0])

# %% [markdown]
# The numbers went round like the kilometre counter of an old car: after 255 comes 0. So 300 became 300 - 256 = 44. The
# lightest parts turned dark, and Python said nothing. **So calculate in another type** (`int`, `float32`) **and convert
# back to `uint8` at the end**:

# %% picture="brighter"
right = np.clip(face.astype(int) + 100, 0, 255).astype(np.uint8)  # clip: what is above 255 becomes 255
show_faces([face, right], ["as it is", "+ 100 in int, cut off at 255"], columns=2, height=2.4)
plt.show()
assert (np.array([200], np.uint8) + np.uint8(100))[0] == 300 - 256

# %% [markdown]
# From now on, whenever we do arithmetic on pixels, we turn them into `float32` first: numbers with decimals, in 32
# bits.
#
# ## 2. Many faces are a table, too
#
# FER2013 is the data set of the article that these lessons follow: 35,887 faces, collected for a contest in 2013. It is
# a **CSV** file: plain text, one face a line, values with commas between them. `pandas` reads such a file into a **data
# frame**, which is a table with named columns.

# %%
path = fer2013_csv()
frame = pd.read_csv(path)
print(frame.head(), "\n")
print(f"{len(frame):,} rows; columns: {', '.join(frame.columns)}")
print("the beginning of one face:", frame.pixels[0][:60], "...")

# %% [markdown]
# Three columns:
#
# * `emotion` is the **label**: what a person said the face shows. It is a number from 0 to 6, because computers prefer
#   numbers to words.
# * `pixels` is the face: 48 × 48 = 2,304 numbers in one long string, row by row.
# * `Usage` says what the face is *for*. Section 4 explains it; it may be the most important column.
#
# The seven possible labels are called **classes**. Here are their names, in the order of their numbers.

# %%
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
for number, name in enumerate(CLASSES):
    print(number, name)

# %% [markdown]
# One word of care, and we shall repeat it: the column is called `emotion`, but nobody measured an emotion. People
# looked at a small gray picture and picked one of seven words. What we learn here is *which word people pick*. That
# isn't the same as what someone feels.
#
# ## 3. From text to a picture
#
# The string has to become a table of numbers again. Split it at the blanks, turn the pieces into numbers, fold the long
# row into 48 rows of 48.


# %% picture="first faces"
def to_image(pixels):
    """A string of 2,304 numbers -> (48, 48) uint8."""
    return np.array(pixels.split(), dtype=np.uint8).reshape(48, 48)


show_faces([to_image(text) for text in frame.pixels[:12]], [CLASSES[label] for label in frame.emotion[:12]], columns=6)
plt.show()

# %% [markdown]
# ## 4. Three splits, three jobs
#
# What we shall build in these lessons, a program that learns from labelled faces and then labels new ones, is called a
# **model**; most of ours are **networks**, a kind of model that lesson 2 introduces.
#
# A student who has seen the exam questions beforehand gets full marks. It shows that the student has a good memory, and
# nothing else. A model is the same, only its memory is better. So the faces are divided into three **splits** before
# anything begins:
#
# | split | in the file | its job | in school |
# |---|---|---|---|
# | training | `Training` | learned from | the exercise book |
# | validation | `PublicTest` | looked at while we choose: which model, how long, which settings | the mock exam |
# | test | `PrivateTest` | looked at **once**, when all choices are made | the exam |
#
# (The odd names are the contest's: everyone could see the score on the public test, and nobody the private one.)

# %%
train_df = frame[frame.Usage == "Training"].reset_index(drop=True)
valid_df = frame[frame.Usage == "PublicTest"].reset_index(drop=True)
test_df = frame[frame.Usage == "PrivateTest"].reset_index(drop=True)
print(f"{len(train_df):,} to train, {len(valid_df):,} to validate, {len(test_df):,} to test")
assert len(train_df) + len(valid_df) + len(test_df) == len(frame), "each face has exactly one job"

# %% [markdown]
# How many faces has each class? It is the first question to ask of any data set.

# %% picture="classes"
counts = train_df.emotion.value_counts().reindex(range(7), fill_value=0)
bars({CLASSES[n]: int(count) for n, count in counts.items()}, "training faces of each class", style="{:,}")
plt.show()

# %% [markdown]
# > **Your guess.** Think of a program that doesn't even look. It always answers with the most common class. What share
# > of the validation faces does it get right?

# %%
most_common = int(counts.idxmax())
floor = float((valid_df.emotion == most_common).mean())
print(f"always '{CLASSES[most_common]}': {floor:.1%} right")

# %% [markdown]
# **Accuracy** is the share of right answers, and this is its **floor**: what one gets without looking. Among drawn
# faces all classes are equally common, so the floor is about 1 in 7, 14 %. In the real FER2013 it is about 25 %,
# because 'happy' is that common, and 'disgust' is only 1.5 % of the faces. A model could get every disgusted face wrong
# and you would hardly see it in the accuracy. Keep the floor in mind: an accuracy of 30 % is twice a floor of 14 %, but
# hardly better than one of 25 %.
#
# ## 5. What is there to find?
#
# We lay all training faces of a class on top of each other and take the average, pixel by pixel.
#
# > **Your guess.** Will you be able to tell the seven averages apart? By what?

# %% picture="averages"
pictures = np.stack([to_image(text) for text in train_df.pixels])
labels = train_df.emotion.to_numpy()
means = [pictures[labels == number].mean(0) for number in range(7)]
show_faces(means, CLASSES, columns=7, vmin=np.min(means), vmax=np.max(means))
plt.show()

# %% [markdown]
# All that made each one a person has been averaged away. What is left is where the faces of a class *agree*. The
# averages differ mostly around the mouth and the brows, and only faintly. That is why this job is hard, and it is all
# that the model of lesson 1 has to go by.
#
# ## 6. A data set that PyTorch understands
#
# **PyTorch** is the library that does our arithmetic. Its arrays are called **tensors**. A tensor is a table of numbers
# with any number of dimensions; it can live on a graphics card, and it can remember how it was calculated (lesson 1
# needs that). PyTorch asks little of a data set: it must know how long it is, and what stands at place `i`.


# %%
class Expressions(Dataset):
    """A data frame of FER2013 as (image tensor, label) pairs."""

    def __init__(self, frame):
        self.frame = frame

    def __len__(self):
        return len(self.frame)

    def __getitem__(self, i):
        image = torch.from_numpy(to_image(self.frame.pixels[i]))
        return image.float()[None] / 255, int(self.frame.emotion[i])


train_set, valid_set = Expressions(train_df), Expressions(valid_df)
image, label = train_set[0]
print("one item:", tuple(image.shape), image.dtype, f"from {image.min():.2f} to {image.max():.2f};", CLASSES[label])
assert image.shape == (1, 48, 48)
assert image.max() <= 1

# %% [markdown]
# Two things happened on the way. We divided by 255, so that the numbers go from 0 to 1: learning works best with
# numbers of about that size. And `[None]` put a 1 in front: the number of **channels**. A gray picture has one; a
# coloured one has three, for red, green and blue.
#
# ## 7. Batches
#
# We won't show the model one face at a time: that would be slow, and one face says little about all the others. We
# won't show it all of them at once either (lesson 1 compares the two ways). We take some at a time, called a **batch**.
# The article takes 400. A **DataLoader** makes batches, and with `shuffle=True` it shuffles the faces first, so that
# every batch is a fair mixture.
#
# > **Your guess.** What is the shape of a batch of 400 faces? And how many faces are in the *last* batch?

# %%
loader = DataLoader(train_set, batch_size=400, shuffle=True, generator=torch.Generator().manual_seed(0))
sizes = [len(some) for _, some in loader]
images, targets = next(iter(loader))
print("images:", tuple(images.shape), " labels:", tuple(targets.shape))
print("sizes of the batches:", sizes[:4], "..." if len(sizes) > 4 else "", "last:", sizes[-1])

# %%
assert sum(sizes) == len(train_set), "each face is in one batch"

# %% [markdown]
# Read the shape from left to right: 400 faces, 1 channel, 48 rows, 48 columns. You will see these four so often that
# people write them as `(B, C, H, W)`: batch, channels, height, width. The last batch is what is left over.
#
# Now look at a batch. Please take a minute for it. **Always look at your data before you let a machine do it.**

# %% picture="a batch"
wall = images[:96, 0].numpy().reshape(6, 16, 48, 48).transpose(0, 2, 1, 3).reshape(6 * 48, 16 * 48)
plt.figure(figsize=(8.6, 3.4))
plt.imshow(wall, vmin=0, vmax=1)
plt.axis("off")
plt.show()

# %% [markdown]
# > **Your guess.** Name the expressions of the first row, from left to right.

# %%
print(*(CLASSES[label] for label in targets[:16]), sep=", ")

# %% [markdown]
# How many did you get right? In experiments on FER2013 people got 65 % (± 5 %). Some of its labels are wrong, and many
# faces honestly allow two words.
#
# ## 8. The same with `mien`
#
# You have now written a data loader. `mien` has one that also knows the file's other forms, packed or with blanks in
# its header, and that says which row is broken when one is. Do both read the same?

# %%
splits = mien.load_fer2013(path)
print(splits.train)
print(splits.train.to_pandas()[["row", "label"]].head(3))
assert np.array_equal(splits.train.images, pictures)
assert np.array_equal(splits.train.labels, labels)
assert splits.classes == CLASSES

# %% [markdown]
# Bit for bit. `splits.train` is a `FaceSet`: **all faces as one array** of `uint8`, `(N, 48, 48)`. PyTorch can take it
# as a data set, too: `DataLoader(splits.train, batch_size=400)` works. There is one difference. Its faces are whole
# numbers from 0 to 255; ours were divided by 255. `mien`'s networks divide inside, so give them 0 to 255. A network of
# your own needs `images.float() / 255`.

# %%
whole, _ = next(iter(DataLoader(splits.train, batch_size=400)))
print(
    "of mien:",
    tuple(whole.shape),
    whole.dtype,
    f"up to {whole.max()};  ours:",
    images.dtype,
    f"up to {images.max():.2f}",
)
assert torch.equal(whole[0].float() / 255, train_set[0][0])

# %% [markdown]
# ## 9. Where the arithmetic is done
#
# A computer's **CPU**, its main processor, is a few very clever workers. A **GPU**, the processor of a graphics card,
# is thousands of simple ones. Learning is millions of simple sums, so a GPU does it many times as fast. But it has
# a memory of its own. Before it can work, the model and the faces have to be carried there.
#
# For that the article wrote one function and one class. So do we: the function moves a tensor, a model, or a list of
# them. The class wraps a DataLoader and moves every batch as it comes out.

# %%
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # "cuda" is NVIDIA's name for its GPUs
print("this machine has:", device)


def to_device(thing, device):
    """Move a tensor or a model, or a list or tuple of them, to a device."""
    if isinstance(thing, (list, tuple)):
        return [to_device(part, device) for part in thing]
    # not to wait for the last byte is safe on the way to a GPU; on the way back one might read too early
    return thing.to(device, non_blocking=torch.device(device).type == "cuda")


class DeviceLoader:
    """A DataLoader whose batches come out on a device."""

    def __init__(self, loader, device):
        self.loader, self.device = loader, device

    def __iter__(self):
        for batch in self.loader:
            yield to_device(batch, self.device)

    def __len__(self):
        return len(self.loader)


moved, where = next(iter(DeviceLoader(loader, device)))
assert moved.device.type == where.device.type == device.type
same, _ = next(iter(mien.DeviceLoader(loader, mien.pick_device(device.type))))  # mien has both, for everyday use
assert same.shape == moved.shape

# %% [markdown]
# Now look at what this does in each **epoch** (one pass over all training faces): every face is fetched on its own, its
# text is split, turned into numbers, put with others into a batch, and the batch is carried over. And in the next epoch
# *all of it again*, though no face has changed.
#
# The other way: make one array, carry it over **once**, and cut batches out of it where it is. All of FER2013's
# training faces are 28,709 × 2,304 bytes = 66 MB. Any graphics card has room for that.
#
# > **Your guess.** How many times as fast is the second way, per epoch? Twice? Ten times?


# %% picture="handing out"
def seconds(batches, repeat=3):
    """The least time that one pass over the batches takes, in seconds."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        for images, _labels in batches():
            images.float().mean()  # so that the batch is touched at least
        if device.type == "cuda":
            torch.cuda.synchronize()  # a GPU works on its own; wait until it is done
        times.append(time.perf_counter() - began)
    return min(times)


some = train_df.iloc[:840]
array = splits.train[:840]
on_device = to_device([torch.from_numpy(array.images)[:, None], torch.from_numpy(array.targets)], device)


# three ways; each function gives one pass over all faces, in batches of 128
def from_text():
    return DeviceLoader(DataLoader(Expressions(some), 128, shuffle=True), device)


def from_array():
    return DeviceLoader(DataLoader(array, 128, shuffle=True), device)


def kept_there():
    order = torch.randperm(len(on_device[0]), device=device)
    for pick in order.split(128):
        yield on_device[0][pick] / 255, on_device[1][pick]


ways = {
    "text to face, one by one": from_text,
    "array, one by one": from_array,
    "array, kept on the device": kept_there,
}
took = {name: 1000 * seconds(way) for name, way in ways.items()}
bars(
    took,
    f"handing out {len(some)} faces once, on this machine ({device})",
    style="{:.1f} ms",
    colours=[GRAY, GRAY, BLUE],
)
plt.show()
fastest, slowest = took["array, kept on the device"], took["text to face, one by one"]
print(f"kept on the device: {slowest / fastest:.0f} times as fast as from text")

# %% [markdown]
# The title of the picture says where this was measured. Without a GPU there is nothing to carry, and the last way still
# wins: it cuts out a whole batch in one step, instead of fetching face by face. With a GPU each batch must be carried
# over, too, and the GPU is done with it before the next one is ready: it *waits for faces*. Run this cell where there
# is one, and see how far the bars are apart. `mien.fit`, which does our training from lesson 2 on, keeps all faces on
# the device for this reason.
#
# ## What to take with you
#
# * A face is a table of numbers; a data set is many such tables, with a label each.
# * `uint8` wraps round after 255. Calculate in `float32`.
# * Training faces are learned from, validation faces are for choosing, test faces are for the end.
# * Know the floor: what one gets without looking.
# * Look at your data. Then look again.
#
# ## Exercises
#
# Write each as a function, in a cell at the end of the notebook. Below each exercise is a check: paste it below your
# function; if it is silent, you have it. Solutions are in `lessons/solutions/solution_0.py`; look when you have tried.
#
# **0.1 In a fair light.** Some faces are dark, some are pale. Write `normalise(images)` that takes `(N, 48, 48)`
# `uint8` and gives `float32` in which each face has the mean 0 and the standard deviation 1. (The standard deviation
# says how far the pixels are from their mean, typically.) What should become of a face that is one shade all over?
#
# ```python
# some = splits.train.images
# tidy = normalise(some[some.std((1, 2)) > 0])  # the real ones hold a few faces of one shade
# assert np.allclose(tidy.mean((1, 2)), 0, atol=1e-3) and np.allclose(tidy.std((1, 2)), 1, atol=1e-3)
# assert np.isfinite(normalise(np.full((1, 48, 48), 7, np.uint8))).all()
# ```
#
# **0.2 Twins.** FER2013 holds hundreds of pictures more than once, some of them with *different* labels, and some both
# in the training and the validation split. Write `copies(images)`: how many faces are an exact copy of an earlier one?
# Why does a copy across splits make a score dishonest?
#
# ```python
# assert copies(np.stack([face, face, face + 1, face])) == 2
# ```
#
# **0.3 A fair share.** Write `fair_split(labels, share, seed)` that divides the faces at random, but so that the second
# part gets this share *of every class*. It returns two arrays of positions in `labels`. Why may a random split without
# that care be bad for 'disgust'?
#
# ```python
# rest, held = fair_split(np.array([0] * 90 + [1] * 10), 0.2, seed=0)
# assert len(held) == 20 and (held >= 90).sum() == 2 and not set(rest) & set(held)
# ```
#
# **Next:** [lesson 1](lesson_1_logistic.py) teaches a machine with nothing but sums, and you see every one of them.
