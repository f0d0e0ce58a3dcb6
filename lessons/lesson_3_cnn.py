# %% [markdown]
# # Lesson 3: a convolutional network
#
# The network of lesson 2 had to learn a mouth again for each place where a mouth may be. In this lesson it learns it
# once, and looks for it everywhere. That one idea made computers see.
#
# **At the end you can** say what a filter, a feature map, padding, stride and pooling are; work out a convolution by
# hand; see what a filter sees; and say what this network knows before it has seen a single face.
#
# **You need** lesson 2. About 45 minutes.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from blackboard import BLUE, ORANGE, bars, curves, faces, show_answers
from torch import nn
from torch.nn import functional as F

import mien

splits = faces(3000, at_most=6000)
CLASSES = splits.classes
face = splits.train.images[2]

# %% [markdown]
# ## 1. A small stencil that walks
#
# Instead of a stencil as large as the face we take a tiny one, 3 × 3 weights. We lay it over the upper left corner,
# multiply, add up, and write down the score. Then we move it one pixel to the right and do it again. And so on, row by
# row, over the whole face. The small stencil is called a **filter** (or *kernel*), the walk a **convolution**, and the
# picture of all its scores a **feature map**: it shows *where* the filter found what it looks for.
#
# Here it is, as plain as can be.


# %%
def convolve(image, kernel):
    """A (H, W) image and a (3, 3) filter -> the (H - 2, W - 2) map of its scores."""
    height, width = image.shape
    scores = np.zeros((height - 2, width - 2), np.float32)
    for row in range(height - 2):
        for column in range(width - 2):
            scores[row, column] = (image[row : row + 3, column : column + 3] * kernel).sum()
    return scores


kernel = np.array([[-1, -1, -1], [0, 0, 0], [1, 1, 1]], np.float32)
pixels = face.astype(np.float32) / 255
ours = convolve(pixels, kernel)
torchs = F.conv2d(torch.tensor(pixels)[None, None], torch.tensor(kernel)[None, None])[0, 0].numpy()
print("ours:", ours.shape, " PyTorch's:", torchs.shape, " largest difference:", np.abs(ours - torchs).max())
assert np.allclose(ours, torchs, atol=1e-5)

# %% [markdown]
# The map has 46 rows and not 48: the filter can't stand half outside. If we want 48, we put a margin of zeros around
# the face first; that is called **padding**. And if the filter moves 2 pixels at a time, it has a **stride** of 2, and
# the map is half as high and half as wide.
#
# ## 2. What a filter sees
#
# Look at the weights above: -1 in the upper row, +1 in the lower one. On an even surface they cancel out, and the score
# is 0. Where it is dark above and light below, the score is high.
#
# > **Your guess.** Where in the face will this filter score high? And where, if its weights are -1 in the left column
# > and +1 in the right one?

# %% picture="filters"
FILTERS = {
    "dark over light": kernel,
    "dark left of light": kernel.T,
    "mean of 9": np.full((3, 3), 1 / 9, np.float32),
    "spots": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32),
}
maps = {name: convolve(pixels, weights) for name, weights in FILTERS.items()}
figure, cells = plt.subplots(1, 5, figsize=(8.6, 2.1))
cells[0].imshow(pixels)
cells[0].set_title("the face", fontsize=9, loc="center")
for cell, (name, found) in zip(cells[1:], maps.items(), strict=True):
    if name == "mean of 9":
        cell.imshow(found)
    else:
        cell.imshow(found, cmap="RdBu", vmin=-np.abs(found).max(), vmax=np.abs(found).max())
    cell.set_title(name, fontsize=9, loc="center")
for cell in cells:
    cell.axis("off")
plt.show()

# %%
assert np.allclose(maps["mean of 9"][0, 0], pixels[:3, :3].mean())

# %% [markdown]
# (Blue is a high score, red a negative one.) The first sees lids, brows and lips; the second sees the sides of the nose
# and the head. People designed such filters by hand for thirty years. We shan't. **The network finds its own filters**,
# by the gradient, as it found its stencils.
#
# > **Your guess.** A layer makes 16 maps of 48 × 48 out of a face. How many parameters does it have as a convolution,
# > with a bias for each filter? And as a linear layer, in which each number of each map has its own weight for each
# > pixel?

# %%
convolution = nn.Conv2d(1, 16, 3, padding=1)
print(f"convolution: {sum(p.numel() for p in convolution.parameters()):,}")
print(f"linear: {2304 * 16 * 2304 + 16 * 2304:,}")

# %% [markdown]
# 160 against 85 million. Two ideas save so many, and both are true of pictures:
#
# * **Neighbours belong together.** What a pixel means depends on those around it, not on one at the other end.
# * **A thing is the same thing everywhere.** So the same weights will do at every place.
#
# A network into which these are built needn't learn them from faces.
#
# ## 3. Pooling: a step back
#
# Whether the corner of the mouth is in column 30 or 31 doesn't matter. So we take each square of 2 × 2 numbers of a map
# and keep only the largest. This is **max pooling**. The map becomes half as high and half as wide, and says "there was
# something *about* here".


# %%
def max_pool(scores):
    """(H, W) -> (H / 2, W / 2): the largest of each square of 2 × 2."""
    height, width = scores.shape
    return scores.reshape(height // 2, 2, width // 2, 2).max((1, 3))


pooled = max_pool(ours)
assert np.array_equal(pooled, F.max_pool2d(torch.tensor(ours)[None, None], 2)[0, 0].numpy())
print(ours.shape, "->", pooled.shape)

# %% [markdown]
# > **Your guess.** We shift the face by one pixel to the right. By how much do the numbers of a feature map change, in
# > percent of their mean? And after pooling once, twice, three times: more, or less?


# %% picture="one pixel"
def change(levels):
    """The mean difference between the map of the face and of its shifted twin, as a share of the map's mean."""
    found = []
    for image in (pixels[:, 1:], pixels[:, :-1]):
        scores = torch.tensor(convolve(image, kernel)[:40, :40])[None, None].relu()
        for _ in range(levels):
            scores = F.max_pool2d(scores, 2)
        found.append(scores)
    return ((found[0] - found[1]).abs().mean() / found[0].abs().mean()).item()


moved = {f"pooled {levels} times": change(levels) for levels in range(4)}
bars(moved, "how much the map changes when the face moves by one pixel", colours=[BLUE] * 4)
plt.show()

# %%
assert moved["pooled 3 times"] < moved["pooled 0 times"]

# %% [markdown]
# After each step back it matters less where exactly things are.
#
# ## 4. The network
#
# Now we stack: filters, ReLU, pooling; filters, ReLU, pooling; once more. The second layer's filters don't look at
# pixels any more but at the first layer's maps: at "edge here, edge there". So they can find *corners*. The third
# layer's can find what corners are parts of. From pixels to edges, to parts: nobody tells the network to do so.
#
# In PyTorch:


# %%
class CNN(nn.Module):
    """(B, 1, 48, 48) pixels 0..255 -> (B, 7) scores."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding=1)  # 16 filters, each 1 × 3 × 3
        self.second = nn.Conv2d(16, 32, 3, padding=1)  # 32 filters, each 16 × 3 × 3: they see all 16 maps
        self.third = nn.Conv2d(32, 64, 3, padding=1)
        self.last = nn.Linear(64 * 6 * 6, 7)

    def maps(self, pixels):
        """The feature maps after each of the three steps."""
        x = pixels.float()
        x = (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 1)
        one = F.max_pool2d(self.first(x).relu(), 2)  # (B, 16, 24, 24)
        two = F.max_pool2d(self.second(one).relu(), 2)  # (B, 32, 12, 12)
        three = F.max_pool2d(self.third(two).relu(), 2)  # (B, 64, 6, 6)
        return one, two, three

    def forward(self, pixels):
        return self.last(self.maps(pixels)[-1].flatten(1))  # (B, 2304) -> (B, 7)


class FeedForward(nn.Module):
    """The network of lesson 2, to compare with."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2304, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 7))

    def forward(self, pixels):
        x = pixels.float().flatten(1)
        return self.layers((x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1))


SETTINGS = {"optimiser": "adamw", "lr": 0.002, "weight_decay": 0.05, "batch": 64, "flip": True, "precision": "float32"}


def train(model, epochs):
    recipe = mien.recipe("cnn", "demo", **SETTINGS | {"epochs": epochs})
    return list(mien.fit(model, splits.train, splits.val, recipe, device="cpu"))


def parameters(model):
    return sum(p.numel() for p in model.parameters())


torch.manual_seed(0)
flat, cnn = FeedForward(), CNN()
print(f"feed-forward: {parameters(flat):,} parameters, CNN: {parameters(cnn):,}")
print(f"before training, the CNN is right on {mien.evaluate(cnn, splits.val).accuracy:.3f}")

# %% [markdown]
# We give both the same faces, the same flips, the same epochs. No shifts this time; you will see why. (The learning
# rate rises and falls by a plan; lesson 4 explains it.)
#
# > **Your guess.** Which one will be better on the validation faces, and by how many points?

# %% picture="two networks"
flat_history, cnn_history = train(flat, 14), train(cnn, 14)
curves({"feed-forward": flat_history, "CNN": cnn_history})
plt.show()
scores = {"feed-forward": mien.evaluate(flat, splits.val), "CNN": mien.evaluate(cnn, splits.val)}
for name, report in scores.items():
    print(f"{name:13} accuracy {report.accuracy:.3f}, between {report.interval[0]:.3f} and {report.interval[1]:.3f}")

# %%
assert scores["CNN"].accuracy > scores["feed-forward"].accuracy

# %% [markdown]
# A sixteenth of the parameters, and better. That isn't a contradiction: what is built into the network (neighbours
# belong together, a thing is the same everywhere) it doesn't have to learn from a few thousand faces.
#
# ## 5. Does it really not mind where?
#
# We said that convolutions look everywhere. Let us not believe it; let us measure. We shift all validation faces to the
# right, pixel by pixel. Neither network has seen a shifted face on purpose.
#
# > **Your guess.** How fast does the accuracy of each fall?


# %% picture="shifted"
def shifted(faces, by):
    """The same faces, `by` pixels further to the right; the edge goes on."""
    padded = np.pad(faces.images, ((0, 0), (0, 0), (by, 0)), mode="edge")
    return mien.FaceSet(padded[:, :, :48], faces.targets, classes=faces.classes)


steps = range(0, 9, 2)
fall = {
    name: [mien.evaluate(model, shifted(splits.val, by)).accuracy for by in steps]
    for name, model in (("feed-forward", flat), ("CNN", cnn))
}
plt.figure(figsize=(6.4, 3))
for (name, values), colour, marker in zip(fall.items(), (BLUE, ORANGE), "os", strict=True):
    plt.plot(steps, values, f"{marker}-", color=colour, label=name)
plt.xlabel("faces shifted by so many pixels")
plt.ylabel("validation accuracy")
plt.ylim(0, None)
plt.legend()
plt.show()
kept = {name: values[2] / values[0] for name, values in fall.items()}
print("points lost at 4 pixels:", {name: f"{100 * (values[0] - values[2]):.1f}" for name, values in fall.items()})
print("of its accuracy, kept at 4 pixels:", {name: f"{share:.0%}" for name, share in kept.items()})

# %%
assert kept["CNN"] > kept["feed-forward"]

# %% [markdown]
# Look at the two curves: both fall. In points they may lose about the same; as a share of what it had, the CNN keeps
# more. It minds less, but it does mind. Its last layer still has a weight for each of 6 × 6 places, so it has learned
# where mouths usually are. Most later networks take the *mean* over all places instead; then it matters even less where
# something is. Lesson 4 does that. And of course one can shift the training faces, too: augmentation and convolutions
# can be combined.
#
# ## 6. What has it learned to see?
#
# The 16 filters of the first layer are too small to tell us much. Their maps tell more.
#
# > **Your guess.** Will you recognise the face in the maps of the first step? And in those of the third?

# %% picture="maps"
with torch.no_grad():
    steps_seen = cnn.maps(torch.from_numpy(face)[None, None])
figure, cells = plt.subplots(3, 9, figsize=(8.6, 3.2))
for row, seen in zip(cells, steps_seen, strict=True):
    strongest = seen[0].amax((1, 2)).topk(8).indices
    row[0].imshow(face)
    for cell, number in zip(row[1:], strongest, strict=True):
        cell.imshow(seen[0, number].numpy(), cmap="magma")
    row[0].set_title(f"{seen.shape[1]} maps of {seen.shape[2]}×{seen.shape[3]}", fontsize=8)
    for cell in row:
        cell.axis("off")
plt.show()

# %% [markdown]
# First the face, drawn in edges. At the end only small bright cells: "something that I look for is *there*". But what
# do they look for? We can ask. A number in a map of the third layer, before its pooling, depends on a patch of 18 × 18
# pixels of the face; this patch is its **receptive field**. (Count with me. The first filter sees 3 pixels in a row.
# Pooling takes its neighbour, 1 pixel further, too: 4. From now on neighbours are 2 pixels apart. The second filter
# takes one neighbour on each side: 4 + 2 × 2 = 8. Pooling: 8 + 2 = 10, and now neighbours are 4 pixels apart. The third
# filter: 10 + 2 × 4 = 18.) We take a few maps of the third layer and collect the patches of validation faces for which
# their numbers are largest.

# %% picture="patches"
with torch.no_grad():
    batch = torch.from_numpy(splits.val.images)[:, None]
    x = cnn.maps(batch)[1]
    excited = cnn.third(x).relu()  # (N, 64, 12, 12): before the last pooling
patches = np.pad(splits.val.images, ((0, 0), (7, 7), (7, 7)), mode="edge")
# of each map, the size of the weights that look at it, times its mean: the maps with the strongest say
weights = cnn.last.weight.detach().reshape(7, 64, 36).abs().sum((0, 2)) * excited.mean((0, 2, 3))
figure, cells = plt.subplots(6, 8, figsize=(6.4, 4.9))
for row, number in zip(cells, weights.topk(6).indices, strict=True):
    peak, place = excited[:, number].flatten(1).max(1)  # the best place in each face
    for cell, which in zip(row, peak.topk(8).indices, strict=True):
        top, left = divmod(int(place[which]), 12)
        cell.imshow(patches[which, 4 * top : 4 * top + 18, 4 * left : 4 * left + 18])
        cell.axis("off")
plt.show()

# %% [markdown]
# Look along a row: what do its patches have in common? Two brows with the root of the nose between them, a brow in an
# arch, something white in the dark: an eye, or teeth. Nobody told it that faces have such parts.
#
# A word of caution. It is tempting to give each row a name: "the smile detector". Sometimes a row is mixed, and a map
# that is high on mouths may be high on collars, too. Pictures like these *suggest*; they don't prove. (`mien explain`
# makes heatmaps of where a network looks, and says of each whether it passed a check.)
#
# ## 7. Ask it

# %% picture="answers"
some = splits.val[:12]
with torch.no_grad():
    answers = cnn.eval()(torch.from_numpy(some.images)[:, None]).argmax(1)
show_answers(some.images, [CLASSES[k] for k in answers], [CLASSES[k] for k in some.labels])
plt.show()

# %% [markdown]
# ## What to take with you
#
# * A convolution is one small stencil, used everywhere. Few parameters, and it finds a thing wherever it is.
# * Pooling steps back: less exact about *where*, and a larger patch comes into view.
# * Stacked, they go from edges to parts. Nobody tells them to.
# * What is true of all pictures is better built in than learned from a few faces.
#
# ## Exercises
#
# Solutions: `lessons/solutions/solution_3.py`.
#
# **3.1 How far can it see?** Write `receptive_field(layers)`: `layers` is a list of (size, stride), such as `(3, 1)`
# for a 3 × 3 filter and `(2, 2)` for pooling; it returns the side of the patch that one number at the end depends on.
# How many 3 × 3 filters would our network need after its last pooling, one after the other, to see a whole face of 48
# pixels?
#
# ```python
# assert receptive_field([(3, 1), (2, 2), (3, 1), (2, 2), (3, 1)]) == 18
# ```
#
# **3.2 Without loops.** `convolve` above is slow. Write `fast_convolve(image, kernel)` with no loop over pixels, only
# one over the nine weights. (Hint: slices of the whole picture.) How many times as fast is it?
#
# ```python
# assert np.allclose(fast_convolve(pixels, kernel), convolve(pixels, kernel), atol=1e-5)
# ```
#
# **3.3 Does the order matter?** Show that it makes no difference whether one shifts a picture and then convolves it, or
# the other way round: write `commutes(image, kernel, by)`, which shifts by `by` pixels to the right, and is true if
# both orders give the same, apart from the columns at the edge that came in from outside. Why isn't that so for a
# linear layer?
#
# ```python
# assert all(commutes(pixels, weights, by) for weights in FILTERS.values() for by in (1, 5))
# ```
#
# **Next:** [lesson 4](lesson_4_resnet.py). Three layers did it well. So thirty will do it ten times as well?
