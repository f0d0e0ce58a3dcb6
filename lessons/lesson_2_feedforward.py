# %% [markdown]
# # Lesson 2: a feed-forward network
#
# One stencil for each expression wasn't enough. So we put stencils on top of stencils. That is a *neural network*. It
# holds two surprises.
#
# **At the end you can** say what a layer, a hidden unit and a non-linearity are; recognise overfitting from two curves;
# and use augmentation against it.
#
# **You need** lesson 1. About 45 minutes.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from blackboard import BLUE, ORANGE, bars, curves, faces, show_answers, show_faces
from torch import nn

import mien

splits = faces(3000, at_most=6000)
CLASSES = splits.classes
print(splits.train, splits.val, sep="\n")

# %% [markdown]
# ## 1. A problem that no straight line solves
#
# Let us leave the faces for five minutes and look at a problem that fits on paper. Points, two numbers each. The orange
# ones lie in the middle, the blue ones around them.

# %% picture="points"
generator = torch.Generator().manual_seed(0)
points = torch.rand(600, 2, generator=generator) * 2 - 1
ring = (points.norm(dim=1) > 0.75).long()  # 1: outside
plt.figure(figsize=(3.4, 3.4))
for kind, colour, marker in ((0, ORANGE, "o"), (1, BLUE, "x")):
    plt.plot(*points[ring == kind].T, marker, color=colour, markersize=4)
plt.title("part them with one line")
plt.show()

# %% [markdown]
# Logistic regression adds up its inputs with weights. In two dimensions that means: it draws **one straight line** and
# says "this side is orange, that side is blue".
#
# > **Your guess.** What share of the points will a straight line get right here?


# %%
def learn(model, steps=600):
    """Train on the points; gives the accuracy."""
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)  # like SGD, but it chooses each weight's step itself
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(points), ring)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return (model(points).argmax(1) == ring).float().mean().item()


torch.manual_seed(0)
line = nn.Linear(2, 2)
print(f"one line: {learn(line):.1%} right; without looking: {max(ring.float().mean(), 1 - ring.float().mean()):.1%}")

# %% [markdown]
# No better than not looking at all. (A line that cuts off one side would get 5 % more of them right; the loss doesn't
# lead there, and no line comes near all of them.) So we put something in between. A first **layer** has 16 stencils,
# each of which gives a score; a second layer looks at those 16 scores instead of the points. The 16 in the middle are
# called **hidden units**, because nobody outside ever sees them.
#
# > **Your guess.** Two layers, 16 hidden units, and nothing else: what share of the points will it get right?

# %%
torch.manual_seed(0)
two_layers = nn.Sequential(nn.Linear(2, 16), nn.Linear(16, 2))
print(f"two layers: {learn(two_layers):.1%} right")

# %% [markdown]
# Nothing gained! Why? Look at the arithmetic. The first layer gives `x @ A + a`. The second one gives
# `(x @ A + a) @ B + b`. Multiply it out: `x @ (A @ B) + (a @ B + b)`. **That is again one matrix and one bias.** Two
# linear layers are one linear layer that takes longer. A hundred would be, too. Let us see it in numbers.

# %%
first, second = two_layers
A, B = first.weight.T, second.weight.T
together = points @ (A @ B) + (first.bias @ B + second.bias)
print(
    "largest difference between two layers and the one that they are:",
    (together - two_layers(points)).abs().max().item(),
)
assert torch.allclose(together, two_layers(points), atol=1e-4)

# %% [markdown]
# ## 2. The bend
#
# The cure is almost silly: between the layers we **bend** the numbers. Whatever is below 0 becomes 0; the rest stays.
# This is called **ReLU** (*rectified linear unit*), and any such bend is a **non-linearity**: its curve isn't a
# straight line any more, so the trick with multiplying out no longer works.
#
# > **Your guess.** The same two layers, with a ReLU between them: what share now? And what shape will the region have
# > that it calls orange?

# %% picture="maps"
torch.manual_seed(0)
bent = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
accuracy = learn(bent)
print(f"two layers with a bend: {accuracy:.1%} right")
grid = torch.cartesian_prod(torch.linspace(-1, 1, 150), torch.linspace(-1, 1, 150))
figure, panels = plt.subplots(1, 3, figsize=(8.6, 3.1))
for panel, (name, model) in zip(
    panels, (("one line", line), ("two layers", two_layers), ("with ReLU", bent)), strict=True
):
    with torch.no_grad():
        outside = model(grid).softmax(1)[:, 1].reshape(150, 150).T.numpy()
    panel.imshow(outside, extent=(-1, 1, -1, 1), origin="lower", cmap="PuOr", vmin=0, vmax=1, alpha=0.8)
    for kind, colour, marker in ((0, "#7A3600", "o"), (1, "#1B2A52", "x")):
        panel.plot(*points[ring == kind].T, marker, color=colour, markersize=2.5)
    panel.set(title=name, xticks=[], yticks=[], xlim=(-1, 1), ylim=(-1, 1))
plt.show()

# %%
assert accuracy > 0.95

# %% [markdown]
# One line, and two layers without a bend, found nothing better than to call the whole square blue. With the bend each
# hidden unit still draws one straight line, but it can say "on this side I have something to say, on the other I keep
# silent". Sixteen such half-voices together fence in the middle. With enough of them you can come as near to any shape
# as you like. That is a theorem (Cybenko, 1989, for S-shaped bends; Leshno and others, 1993, for ours, too). It says
# that good weights exist, not that training finds them.
#
# ## 3. Back to the faces
#
# The article calls this a **feed-forward network**: numbers flow forward through the layers, never in a circle. Ours
# has 256 hidden units, then 128, then the seven scores. Each hidden unit of the first layer is a stencil, as in lesson
# 1, but it doesn't have to stand for a whole expression. One may look for an open mouth on the left, another for the
# same on the right.
#
# The model takes raw pixels, as all of `mien`'s models do, and brings them into a fair light itself: each face gets
# mean 0 and standard deviation 1 (exercise 0.1).


# %%
class FeedForward(nn.Module):
    """(B, 1, 48, 48) pixels 0..255 -> (B, 7) scores, through two hidden layers."""

    def __init__(self, bend=True):
        super().__init__()
        self.first = nn.Linear(2304, 256)
        self.second = nn.Linear(256, 128)
        self.last = nn.Linear(128, 7)
        self.bend = nn.ReLU() if bend else nn.Identity()  # Identity gives back what it gets

    def forward(self, pixels):
        x = pixels.float().flatten(1)  # (B, 2304)
        x = (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1)  # + 1: never divided by 0
        x = self.bend(self.first(x))  # (B, 256)
        x = self.bend(self.second(x))  # (B, 128)
        return self.last(x)  # (B, 7)


parameters = sum(p.numel() for p in FeedForward().parameters())
print(f"{parameters:,} parameters for {len(splits.train):,} faces: {parameters // len(splits.train)} for each!")

# %% [markdown]
# Keep that ratio in mind. It will matter.
#
# In lesson 1 you wrote `fit` and `evaluate`. You could use them here, unchanged; `article.py`, next to the lessons,
# does so with all four models of the article. From now on we take `mien.fit`, which does the same: batches, loss,
# slopes, step, and after each epoch a look at the validation faces. It also keeps the faces on the device (lesson 0).
#
# Mind one thing: `mien.fit(...)` alone trains nothing. You loop over it. Each turn of the loop trains one epoch and
# gives you an `Epoch` with its figures, which you may print or draw; you may also stop. `list(mien.fit(...))` is the
# shortest such loop: it asks for all epochs and keeps them in a list.
#
# All settings together are a **recipe**. "demo" is a ready one for drawn faces, of which we change the settings in
# `PLAIN`. (`adamw` is Adam, as above, with a weight decay that isn't part of the loss as in exercise 1.2, but is
# subtracted at each step; here it is 0.) `mien.fit` uses a GPU if there is one; our networks are so small that we stay
# on the CPU.

# %%
PLAIN = {"optimiser": "adamw", "lr": 0.001, "weight_decay": 0.0, "schedule": "constant", "batch": 64, "flip": False}


def train(model, faces=splits.train, seed=0, **settings):
    """Train by a recipe; gives the list of its Epochs. The model is left at its best validation epoch."""
    recipe = mien.recipe("feedforward", "demo", seed=seed, precision="float32", **PLAIN | settings)
    return list(mien.fit(model, faces, splits.val, recipe, device="cpu"))


torch.manual_seed(0)
network = FeedForward()
untrained = mien.evaluate(network, splits.val)
print(f"before training: accuracy {untrained.accuracy:.3f}, loss {untrained.loss:.3f} (no idea: {np.log(7):.3f})")

# %% [markdown]
# > **Your guess.** With the bend and without it, 30 epochs each: what accuracy will they reach on the validation faces?
# > And on the *training* faces?

# %% picture="bend"
torch.manual_seed(0)
straight_history = train(FeedForward(bend=False), epochs=30)
plain_history = train(network, epochs=30)
curves({"no bend": straight_history, "ReLU": plain_history})
plt.show()
for name, history in (("no bend", straight_history), ("ReLU", plain_history)):
    last, best = history[-1], max(epoch.val_accuracy for epoch in history)
    print(f"{name:7} at the end: training {last.train_accuracy:.3f}, validation {last.val_accuracy:.3f}", end="; ")
    print(f"its best epoch: validation {best:.3f}")

# %%
assert plain_history[-1].train_accuracy > straight_history[-1].train_accuracy + 0.1

# %% [markdown]
# Look at these curves for a while; there is a lot in them.
#
# First compare the two networks. On the *training* faces the bend makes a great difference. On the validation faces it
# has gained only a few *points* (a point is 1 % of the faces): compare the two best epochs, as printed. The network
# spends its power on something else, and section 5 sets it free.
#
# The network with the bend gets nearly *every* training face right. That is what power looks like. But on the
# validation faces it is far from that. And look at its validation **loss**: it falls, turns, and climbs far above 1.95,
# the loss of "no idea". How can it be worse than knowing nothing, when its accuracy is better? Because where it is
# wrong, it is *very sure* and wrong. (Lesson 1: that is expensive.)
#
# ## 4. Overfitting
#
# What you see is called **overfitting**: the network has learned its training faces *by heart*. It has the many
# parameters for each face that we counted above: plenty to remember "this one with the bright ear is sad" instead of
# finding out what a sad face looks like.
#
# Could it be that the validation faces are simply harder? An experiment tells, and I find it a little eerie. We shuffle
# the labels: every training face gets the label of some other face. There is nothing to find any more. Nothing at all.
#
# > **Your guess.** What training accuracy will it reach on nonsense?

# %% picture="nonsense"
shuffled = np.random.default_rng(0).permutation(splits.train.labels)[:1000]
nonsense = mien.FaceSet(splits.train.images[:1000], shuffled, classes=CLASSES)
torch.manual_seed(0)
nonsense_history = train(FeedForward(), nonsense, epochs=25)
curves({"nonsense": nonsense_history})
plt.show()
print(f"training {nonsense_history[-1].train_accuracy:.3f}, validation {nonsense_history[-1].val_accuracy:.3f}")

# %%
assert nonsense_history[-1].train_accuracy > 0.9
assert nonsense_history[-1].val_accuracy < 0.3

# %% [markdown]
# It learned nonsense by heart. (This experiment is due to Zhang and others, 2017, and it startled the field.) So
# **training accuracy proves nothing.** Whoever shows you only that has shown you nothing. This is why we keep
# validation faces.
#
# How to read the curves:
#
# | training accuracy | validation accuracy | what it is | what to do |
# |---|---|---|---|
# | low | low, about the same | **underfitting**: too little power or training | a richer model, more epochs |
# | high | much lower | **overfitting** | more faces, augmentation, fewer parameters |
# | high | nearly as high | what we want | celebrate, then check for copies (exercise 0.2) |
#
# ## 5. Augmentation: more faces for nothing
#
# The best cure for learning by heart is more to learn. We have no more faces. But a smile in a mirror is still a smile.
# A smile a little to the left, a little larger or tilted: still a smile. So each time a face comes along, we change it
# a bit, at random. The network hardly ever sees exactly the same picture twice, so learning it by heart is no use. This
# is **augmentation**.
#
# In PyTorch a random flip and shift take a few lines.


# %% picture="variants"
def augmented(images, reach=4):
    """(B, 48, 48) -> the same faces, half of them mirrored, each shifted by up to `reach` pixels."""
    n, height, width = images.shape
    mirrored = torch.where(torch.rand(n, 1, 1) < 0.5, images.flip(2), images)
    framed = nn.functional.pad(mirrored[:, None].float(), (reach,) * 4, mode="replicate")[:, 0]  # a margin all around
    shifts = torch.randint(0, 2 * reach + 1, (n, 2)).tolist()
    return torch.stack([face[y : y + height, x : x + width] for face, (y, x) in zip(framed, shifts, strict=True)])


torch.manual_seed(1)
one = torch.from_numpy(splits.train.images[3])
show_faces([one, *augmented(one.expand(11, -1, -1))], ["the face", *["a variant"] * 11], columns=6)
plt.show()
assert augmented(one.expand(5, -1, -1)).shape == (5, 48, 48)
assert torch.equal(augmented(one[None], reach=0)[0].sum(), one.float().sum()), "mirroring loses nothing"

# %% [markdown]
# Which changes are allowed? Those that leave the label true. Mirrored? Yes: a mirrored sad face is sad. (Mirrored
# *letters* would be another matter.) Upside down? The label stays true, but no such photos will come, so learning them
# would be wasted.
#
# `mien.fit` augments whole batches at once when the recipe says so: `flip`, `shift`, `scale` (nearer and farther) and
# `rotate` (tilted). **Only training faces are changed, never those that we judge by.**
#
# > **Your guess.** With augmentation: will the training accuracy go up or down? And the validation accuracy?

# %% picture="augmentation"
torch.manual_seed(0)
better = FeedForward()
better_history = train(better, epochs=30, flip=True, shift=0.04, scale=0.08, rotate=6)
curves({"plain": plain_history, "augmented": better_history})
plt.show()
best = {name: max(e.val_accuracy for e in h) for name, h in (("plain", plain_history), ("augmented", better_history))}
gap = {
    name: h[-1].train_accuracy - h[-1].val_accuracy
    for name, h in (("plain", plain_history), ("augmented", better_history))
}
print(f"best validation accuracy: plain {best['plain']:.3f}, augmented {best['augmented']:.3f}")
print(
    f"augmented, training faces: {better_history[-1].train_accuracy:.3f} as changed, while it learned the last epoch; "
    f"{mien.evaluate(better, splits.train).accuracy:.3f} as they are, by its best epoch"
)
print(f"gap between training and validation: plain {gap['plain']:.3f}, augmented {gap['augmented']:.3f}")

# %%
assert best["augmented"] > best["plain"]
assert gap["augmented"] < gap["plain"]

# %% [markdown]
# The training accuracy went *down* and the validation accuracy *up*. We made the exercise book harder, and the pupil
# did better in the mock exam. And the validation loss no longer runs away.
#
# But mind what is compared. The dashed line is measured *while* the network learns, on the faces as it was shown them:
# the changed ones, which are harder. The accuracy on the training faces as they are is printed, too.
#
# One honest remark: "best validation accuracy" is the best of 30 looks at the same faces, so it flatters a little. How
# much? Lesson 5 measures it.
#
# ## 6. What do the hidden units look for?
#
# In lesson 1 we looked at seven stencils. The first layer here has 256. Here are the 16 with the strongest say, which
# are those with the largest weights in their own layer and in the next one.

# %% picture="hidden units"
with torch.no_grad():
    say = better.first.weight.norm(dim=1) * better.second.weight.norm(dim=0)
    chosen = better.first.weight[say.topk(16).indices].reshape(16, 48, 48).numpy()
reach = float(np.quantile(np.abs(chosen), 0.99))
show_faces(chosen, columns=8, height=1.15, cmap="RdBu", vmin=-reach, vmax=reach)
plt.show()

# %% [markdown]
# Some you can read: a mouth here, brows there. But each is tied to its place: a stencil that finds a mouth in row 38
# misses a mouth in row 34. The network has to learn *the same thing again for each place*. That is a terrible waste,
# and lesson 3 ends it.
#
# ## 7. Ask it

# %% picture="answers"
some = splits.val[:12]
with torch.no_grad():
    answers = better.eval()(torch.from_numpy(some.images)[:, None]).argmax(1)
show_answers(some.images, [CLASSES[k] for k in answers], [CLASSES[k] for k in some.labels])
plt.show()

# %% picture="classes"
report = mien.evaluate(better, splits.val)
print(
    f"accuracy {report.accuracy:.3f} on {report.n} faces; on endlessly many such faces probably "
    f"{report.interval[0]:.3f} to {report.interval[1]:.3f}"
)
bars({score.name: score.recall for score in report.per_class}, "share of each class that was found (recall)")
plt.show()
floor = max(splits.val.counts.values()) / len(splits.val)
assert report.accuracy > floor + 0.1

# %% [markdown]
# The **interval** is new, and it matters. With other validation faces we would have got another figure. In 95 cases of
# 100 such an interval holds the figure that endlessly many faces would give. If two models were judged on the same
# faces, count the faces that only the first gets right, and those that only the second gets right. If these two counts
# are about equal, *don't* say that one model is better, even where its figure is higher.
#
# ## What to take with you
#
# * Linear layers on top of each other are one linear layer. The bend between them makes the difference.
# * A network with enough parameters can learn anything by heart, even nonsense. Training accuracy proves nothing.
# * Overfitting: training far above validation. Augmentation helps, because there is more to learn.
# * Change only what leaves the label true, and only training faces.
#
# ## Exercises
#
# Solutions: `lessons/solutions/solution_2.py`.
#
# **2.1 By hand.** The toy problem XOR: (0,0) → 0, (0,1) → 1, (1,0) → 1, (1,1) → 0. No line can do it. Find weights and
# biases for `nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))` that give exactly these numbers. No training:
# paper and pencil. (Hint: one hidden unit for "how many are 1", another for "both are".) Write `xor_network()`, which
# returns the network with these numbers in it; `network[0].weight.data = torch.tensor(...)` sets the first layer's
# weights, with a row for each hidden unit, and `network[0].bias.data` its biases.
#
# ```python
# corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
# assert xor_network()(corners).flatten().tolist() == [0, 1, 1, 0]
# ```
#
# **2.2 Dropout.** Another cure: in training, switch off each hidden unit with the probability `p`, so that none can
# rely on another; multiply the others by `1 / (1 - p)`. Write `dropout(x, p, training)`. Why that factor? Compare the
# mean of many results with `x`.
#
# ```python
# x = torch.ones(100_000)
# assert abs(dropout(x, 0.3, training=True).mean() - 1) < 0.02 and torch.equal(dropout(x, 0.3, training=False), x)
# assert abs((dropout(x, 0.3, training=True) == 0).float().mean() - 0.3) < 0.02
# ```
#
# **2.3 Stop in time.** `losses` are the validation losses of the epochs, counted from 0. We stop when there was no new
# lowest loss for `patience` epochs in a row, and go back to the epoch with the lowest. Write `stop_at(losses,
# patience)`: it returns the epoch to go back to, and the one at which we stop (the last, if we never do).
#
# ```python
# assert stop_at([3, 2, 1, 1.5, 1.2, 1.4, 0.5], patience=3) == (2, 5)
# ```
#
# **Next:** [lesson 3](lesson_3_cnn.py) teaches the network that a mouth is a mouth, wherever it is.
