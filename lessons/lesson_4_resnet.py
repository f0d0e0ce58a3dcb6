# %% [markdown]
# # Lesson 4: a residual network
#
# Three layers were good. So thirty must be better? We try it, find out why it goes as it goes, and meet an idea so
# small that it fits into one line. Nearly all large networks of today have that line.
#
# **At the end you can** say what becomes of a gradient in a deep network; what a skip connection is and what it does;
# what batch normalisation does, and the trap that comes with it; and what a learning-rate schedule is for.
#
# **You need** lesson 3. About 50 minutes.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from blackboard import BLUE, GRAY, GREEN, ORANGE, bars, curves, faces, show_answers
from torch import nn
from torch.nn import functional as F

import mien

splits = faces(3000, at_most=6000)
CLASSES = splits.classes

# %% [markdown]
# We shall train many networks in this lesson. So that you needn't wait for an hour, most of them get faces of half the
# size: each 2 × 2 pixels become their mean.


# %%
def halved(faces):
    """Faces of 48 × 48 -> of 24 × 24."""
    n = len(faces)
    small = faces.images.reshape(n, 24, 2, 24, 2).mean((2, 4)).round().astype(np.uint8)
    return mien.FaceSet(small, faces.targets, classes=faces.classes)


train_small, val_small = halved(splits.train[:1000]), halved(splits.val)
print(train_small, val_small, sep="\n")

# %% [markdown]
# ## 1. Deeper
#
# Here is a network whose depth we can choose: as many convolutions as we like, all alike, 16 maps each, a ReLU between
# them. (Two switches, `skip` and `norm`, are off at first. Sections 3 and 4 explain them.)


# %%
class Deep(nn.Module):
    """(B, 1, 24, 24) -> (B, 7), through `depth` convolutions."""

    def __init__(self, depth, skip=False, norm=False):
        super().__init__()
        self.skip = skip
        self.start = nn.Conv2d(1, 16, 3, stride=2, padding=1)  # (B, 16, 12, 12)
        self.layers = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(depth))
        self.norms = nn.ModuleList(nn.BatchNorm2d(16) if norm else nn.Identity() for _ in range(depth))
        self.last = nn.Linear(16 * 6 * 6, 7)

    def maps(self, pixels):
        """What comes out of the start and of each layer: a list of (B, 16, 12, 12)."""
        x = pixels.float()
        x = (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 1)
        seen = [self.start(x)]
        for layer, norm in zip(self.layers, self.norms, strict=True):
            new = norm(layer(seen[-1].relu()))
            seen.append(seen[-1] + new if self.skip else new)  # <- the whole lesson is in this line
        return seen

    def forward(self, pixels):
        return self.last(F.avg_pool2d(self.maps(pixels)[-1].relu(), 2).flatten(1))


SETTINGS = {"optimiser": "adamw", "lr": 0.002, "weight_decay": 0.0, "batch": 50, "flip": True, "precision": "float32"}


def train(model, train=train_small, val=val_small, **settings):
    name = getattr(model, "name", "cnn")  # our own has none; the recipe needs one
    recipe = mien.recipe(name, "demo", options={}, **{"epochs": 8, **SETTINGS, **settings})
    return list(mien.fit(model, train, val, recipe, device="cpu"))


def deep(depth, **switches):
    torch.manual_seed(0)
    return Deep(depth, **switches)


# %% [markdown]
# > **Your guess.** Depths of 2, 8 and 20. Which one learns its *training* faces best? (A deeper one has more
# > parameters, so it could learn more by heart.)

# %% picture="depths"
plain = {depth: train(deep(depth)) for depth in (2, 8, 20)}
plt.figure(figsize=(6.4, 3.2))
for (depth, history), colour, marker in zip(plain.items(), (BLUE, GREEN, ORANGE), "osv", strict=True):
    plt.plot(range(1, 9), [e.train_loss for e in history], f"{marker}-", color=colour, label=f"{depth} layers")
plt.axhline(math.log(7), color=GRAY, ls=":", label="no idea: log 7")
plt.xlabel("epoch")
plt.ylabel("training loss")
plt.legend()
plt.show()
for depth, history in plain.items():
    print(f"{depth:2} layers: training accuracy {history[-1].train_accuracy:.3f}")

# %%
assert plain[20][-1].train_loss > plain[2][-1].train_loss + 0.1

# %% [markdown]
# 8 layers learn later than 2, and 20 learned nothing. And mind what this *isn't*: it isn't overfitting. An overfitted
# network is good on its training faces and bad on others. This one is bad on its training faces, too. It **can't be
# trained**.
#
# That is odd, if you think of it. A network of 20 layers can do all that one of 2 can: two layers work, the other 18
# hand on what they get. So good weights exist. Gradient descent doesn't find them. In 2015 the best people of the field
# were stuck here.
#
# ## 2. Why: the whisper down the line
#
# You know the children's game: a sentence is whispered from ear to ear along a row, and at the end nonsense comes out.
# The gradient has to go back from the loss to the first layer, from layer to layer, and each layer multiplies it by
# something. If that is less than 1, say 0.5, then after 20 layers:

# %%
print(f"0.5 multiplied 20 times: {0.5**20:.7f}")
print(f"1.5 multiplied 20 times: {1.5**20:,.0f}")

# %% [markdown]
# Either the whisper dies away (a **vanishing gradient**), or it becomes a scream (an **exploding** one). Only exactly 1
# would be right. Let us look at our network, fresh, before any training: how large is the gradient at each of its
# layers?
#
# > **Your guess.** By what factor is it smaller at the first layer than at the last?


# %% picture="gradients"
def gradient_sizes(model):
    """The norm of the loss's gradient at each layer's weights."""
    scores = model.train()(torch.from_numpy(train_small.images[:200])[:, None])
    model.zero_grad()
    F.cross_entropy(scores, torch.from_numpy(train_small.targets[:200])).backward()
    return [layer.weight.grad.norm().item() for layer in model.layers]


def show_gradients(models):
    plt.figure(figsize=(6.4, 3.2))
    for (name, sizes), colour, marker in zip(models.items(), (ORANGE, BLUE, GREEN), "vos", strict=False):
        plt.semilogy(range(1, len(sizes) + 1), sizes, f"{marker}-", color=colour, label=name, markersize=5)
    plt.xlabel("layer (the loss is at the right end)")
    plt.ylabel("size of the gradient")
    plt.xticks(range(1, 21, 3))
    plt.legend()
    plt.grid(axis="y")
    plt.show()


plain_sizes = gradient_sizes(deep(20))
first, last = plain_sizes[0], plain_sizes[-1]
print(f"first layer {first:.1e}, last layer {last:.1e}: a factor of {last / first:,.0f}")
show_gradients({"plain, 20 layers": plain_sizes})

# %%
assert plain_sizes[-1] > 1000 * plain_sizes[0]

# %% [markdown]
# (Mind the scale: from one horizontal line to the next the gradient grows ten times or more.) The first layers hear
# nothing. They never learn anything, and they garble the picture before the later ones get to see it.
#
# ## 3. The cure, in one line
#
# Don't let a layer *replace* what came in. Let it *add* to it:
#
#     plain:  x = f(x)
#     skip:   x = x + f(x)
#
# That is all. The way past `f` is called a **skip connection**, and what `f` learns is the **residual**: what is still
# missing. Why should it help? Look at the slopes. The slope of `f(x)` is whatever it is. The slope of `x + f(x)` is
# **1 + that**. On the way back, the gradient can always take the path through the 1, and arrives as it set out. The
# whisper goes along a telephone line.
#
# It also makes doing nothing easy. If a layer isn't needed, it learns `f(x) = 0`, and hands on what it got.
#
# > **Your guess.** The same 20 layers, the same starting weights, the same faces: what will the gradients look like
# > now?

# %% picture="gradients with skips"
skip_sizes = gradient_sizes(deep(20, skip=True))
show_gradients({"plain, 20 layers": plain_sizes, "with skips": skip_sizes})

# %%
assert max(skip_sizes) < 100 * min(skip_sizes)
assert sum(p.numel() for p in deep(20).parameters()) == sum(p.numel() for p in deep(20, skip=True).parameters())

# %% [markdown]
# Not one parameter more; only a plus sign. And does it learn?

# %% picture="20 layers"
skipped = train(deep(20, skip=True))
plt.figure(figsize=(6.4, 3))
for name, history, colour, marker in (("plain", plain[20], ORANGE, "v"), ("with skips", skipped, BLUE, "o")):
    plt.plot(range(1, 9), [e.train_loss for e in history], f"{marker}-", color=colour, label=f"20 layers, {name}")
plt.axhline(math.log(7), color=GRAY, ls=":", label="no idea: log 7")
plt.xlabel("epoch")
plt.ylabel("training loss")
plt.legend()
plt.show()
print(f"training accuracy: plain {plain[20][-1].train_accuracy:.3f}, with skips {skipped[-1].train_accuracy:.3f}")
assert skipped[-1].train_loss < plain[20][-1].train_loss - 0.2

# %% [markdown]
# This is the idea of He, Zhang, Ren and Sun (2015). Their network had 152 layers and won that year's great contests of
# image recognition. Today there is hardly a large network without skips, those that write texts included. (Their plain
# networks had the cure of section 4, so that no gradient died away, and yet the deeper ones were worse. So skips help
# with more than that.)
#
# ## 4. Batch normalisation
#
# There is a second cure. It came earlier in the same year (Ioffe and Szegedy, 2015), and the two work best together.
# The trouble was that numbers shrink or grow from layer to layer. So correct them after each layer: for each map take
# the mean and the standard deviation over all its places and *over the whole batch*, subtract the one, divide by the
# other. Then two learned numbers for each map may stretch and move it again, if that is of use. That is **batch
# normalisation**.


# %%
def batch_norm(x, stretch, move):
    """(B, C, H, W) -> each of the C maps with mean 0 and deviation 1 over the batch, then stretched and moved."""
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = x.var((0, 2, 3), keepdim=True, correction=0)  # the square of the standard deviation
    return (x - mean) / (variance + 1e-5).sqrt() * stretch.view(1, -1, 1, 1) + move.view(1, -1, 1, 1)


torch.manual_seed(0)
x = torch.randn(32, 16, 12, 12) * 7 + 3
layer = nn.BatchNorm2d(16)
print("by hand against nn.BatchNorm2d:", (batch_norm(x, layer.weight, layer.bias) - layer(x)).abs().max().item())
assert torch.allclose(batch_norm(x, layer.weight, layer.bias), layer(x), atol=1e-5)

# %% [markdown]
# > **Your guess.** How much do the numbers of a map differ from face to face, after layers 1, 10 and 20 of our
# > untrained network: plain, with skips, and with batch normalisation? More from layer to layer, or less?

# %% picture="spread"
with torch.no_grad():
    batch = torch.from_numpy(train_small.images[:200])[:, None]
    spread = {
        "plain": [seen.std(0).mean().item() for seen in deep(20).maps(batch)],
        "with skips": [seen.std(0).mean().item() for seen in deep(20, skip=True).maps(batch)],
        "with batch norm": [seen.std(0).mean().item() for seen in deep(20, norm=True).maps(batch)],
    }
plt.figure(figsize=(6.4, 3.2))
for (name, sizes), colour, marker in zip(spread.items(), (ORANGE, BLUE, GREEN), "vos", strict=True):
    plt.semilogy(sizes, f"{marker}-", color=colour, label=name, markersize=5)
plt.xlabel("after layer")
plt.ylabel("how much faces differ")
plt.xticks(range(0, 21, 4))
plt.legend()
plt.grid(axis="y")
plt.show()

# %%
assert spread["plain"][-1] < 0.01 * spread["plain"][0]
assert spread["with batch norm"][-1] > 100 * spread["plain"][-1]

# %% [markdown]
# In the plain network, after 20 layers *all faces look the same*. No wonder that nothing could be learned: the last
# layer has nothing to tell them apart by.
#
# **The trap.** While it learns, a batch-normalised network looks at the *whole batch*. So its answer about your face
# depends on which other faces happen to be in the batch! In use, that must not be. So in training it keeps a running
# average of the means and deviations, and uses these instead once you call `model.eval()`. Forget that call, and the
# answer about a face depends on its company. Watch.

# %%
watched = deep(8, skip=True, norm=True)
train(watched, epochs=2)
face, others, more = batch[:1], batch[1:40], batch[100:160]
with torch.no_grad():
    watched.train()  # the mode of learning
    apart = (watched(torch.cat([face, others]))[0] - watched(torch.cat([face, more]))[0]).abs().max().item()
    watched.eval()  # the mode of use
    same = (watched(torch.cat([face, others]))[0] - watched(torch.cat([face, more]))[0]).abs().max().item()
print(f"the same face in other company: scores differ by {apart:.3f} in train mode, by {same:.6f} in eval mode")
assert apart > 0.01
assert same < 1e-4

# %% [markdown]
# ## 5. The real thing
#
# `mien`'s `resnet` puts it together: a first convolution; then **blocks** of two convolutions with batch normalisation,
# and a skip around each block; twice on the way the maps become half as high and wide; at the end the *mean* over all
# places (so that it hardly matters where something is), and a linear layer. Here is a small one, on faces of full size.

# %%
torch.manual_seed(0)
resnet = mien.create_model("resnet", stem=16, widths=[24, 48, 96], depths=[1, 1, 1])
print(resnet.blocks[1])
print(f"{sum(p.numel() for p in resnet.parameters()):,} parameters")

# %% [markdown]
# `f` are the two convolutions. The skip is called `shortcut`; where the maps get fewer places or more maps, `x` has to
# be brought to the new shape, which is what its layers do. In `src/mien/models/resnet.py` you find the line
# `self.relu(self.shortcut(x) + self.f(x))`. There is the plus sign.
#
# ## 6. The learning rate needs a plan
#
# At the beginning all weights are random, and large steps would throw them anywhere. In the middle large steps save
# time. At the end one wants small steps, to settle into the valley instead of jumping from side to side. So let the
# learning rate rise, then fall, down to 0. Such a plan is a **schedule**; this one is called *one cycle* (Smith, 2018).
#
# > **Your guess.** The same network, the same number of epochs, with a constant rate and with the schedule. What will
# > the validation curve of each look like near the end?

# %% picture="schedule"
plans = {}
for plan in ("constant", "onecycle"):
    torch.manual_seed(0)
    small = mien.create_model("resnet", size=24, stem=16, widths=[24, 48], depths=[1, 1])
    wanted = {"schedule": plan, "lr": 0.005, "weight_decay": 0.05, "epochs": 12}
    plans[plan] = train(small, halved(splits.train), val_small, **wanted)
figure, panels = plt.subplots(1, 2, figsize=(8.6, 3.1))
for (plan, history), colour, marker in zip(plans.items(), (ORANGE, BLUE), "vo", strict=True):
    panels[0].plot(range(1, 13), [e.lr for e in history], f"{marker}-", color=colour, label=plan)
    panels[1].plot(range(1, 13), [e.val_accuracy for e in history], f"{marker}-", color=colour, label=plan)
panels[0].set(title="learning rate at the end of the epoch", xlabel="epoch")
panels[1].set(title="validation accuracy", xlabel="epoch")
panels[0].legend()
plt.show()
late = {plan: [e.val_accuracy for e in history[-4:]] for plan, history in plans.items()}
for plan, values in late.items():
    print(f"{plan:9} last four epochs: mean {np.mean(values):.3f}, from {min(values):.3f} to {max(values):.3f}")

# %%
assert np.mean(late["onecycle"]) > np.mean(late["constant"])

# %% [markdown]
# With a constant rate the curve jumps about: what you get depends on when you happen to stop. With the schedule it
# settles down. (This is one training of each. Lesson 5 shows how much chance can do in one training.)
#
# ## 7. The whole network
#
# > **Your guess.** The CNN of lesson 3 had about 39,000 parameters, and 14 epochs. (Look up its validation accuracy.)
# > How far will this one get in 10 epochs?

# %% picture="resnet"
floor = max(splits.val.counts.values()) / len(splits.val)
before = mien.evaluate(resnet, splits.val).accuracy
recipe = mien.recipe("resnet", "demo", epochs=10, batch=32, precision="float32")
history = list(mien.fit(resnet, splits.train, splits.val, recipe, device="cpu"))
curves({"resnet": history})
plt.show()
report = mien.evaluate(resnet, splits.val)
print(
    f"before {before:.3f}; after {report.accuracy:.3f}, between {report.interval[0]:.3f} and {report.interval[1]:.3f}"
)

# %%
assert report.accuracy > max(floor, before) + 0.1

# %% picture="answers"
some = splits.val[:12]
with torch.no_grad():
    answers = resnet.eval()(torch.from_numpy(some.images)[:, None]).argmax(1)
show_answers(some.images, [CLASSES[k] for k in answers], [CLASSES[k] for k in some.labels])
plt.show()

# %% picture="classes"
bars({score.name: score.recall for score in report.per_class}, "share of each class that was found (recall)")
plt.show()

# %% [markdown]
# You have climbed the article's four rungs: one layer, hidden layers, convolutions, skips. `article.py` beside the
# lessons climbs all four with one `fit`, in plain PyTorch; `mien ladder` does, too, and makes one page of it.
#
# ## What to take with you
#
# * Deep plain networks are hard to *train*, and ours couldn't be trained at all; that isn't overfitting.
# * The reason: what is multiplied layer by layer dies away or explodes, on the way forth and on the way back.
# * `x + f(x)`: the plus sign gives the gradient a way through.
# * Batch normalisation keeps the numbers in size. Say `model.eval()` before you use a network.
# * Let the learning rate rise and fall.
#
# ## Exercises
#
# Solutions: `lessons/solutions/solution_4.py`.
#
# **4.1 The other cure for the start.** A convolution with `n` inputs (here 16 × 3 × 3 = 144) followed by a ReLU keeps
# the size of the numbers if its weights are drawn at random with mean 0 and standard deviation `sqrt(2 / n)` (He and
# others, 2015). Write `start_well(model)` that does so with all `nn.Conv2d`s (`model.modules()` goes through all
# layers), sets their biases to 0, and returns the model. Do gradients still vanish in `Deep(20)`?
#
# ```python
# sizes = gradient_sizes(start_well(deep(20)))
# assert max(sizes) < 100 * min(sizes)
# ```
#
# **4.2 One cycle.** Write `one_cycle(done, warmup)`: the factor by which the highest rate is multiplied when the share
# `done` of all steps has been taken. While `done` goes from 0 to `warmup` the factor rises from 1/25 to 1 along half a
# wave of the cosine; while it goes on to 1, the factor falls to 0 along another half.
#
# ```python
# assert one_cycle(0, 0.2) == 1 / 25 and one_cycle(0.2, 0.2) == 1 and abs(one_cycle(1, 0.2)) < 1e-9
# ```
#
# **4.3 Out of the way.** In use, a batch normalisation is only a multiplication and an addition for each map, so it can
# be put *into* the convolution before it. Write `fold(convolution, norm)` that returns one convolution which does the
# work of both (in eval mode). The norm's numbers are `norm.running_mean`, `norm.running_var`, `norm.eps` (the 1e-5
# above), `norm.weight` (stretch) and `norm.bias` (move). Every tool that makes networks fast does this.
#
# ```python
# convolution, norm, x = watched.layers[0], watched.norms[0].eval(), torch.randn(4, 16, 12, 12)
# assert torch.allclose(fold(convolution, norm)(x), norm(convolution(x)), atol=1e-4)
# ```
#
# **Next:** [lesson 5](lesson_5_flagship.py): all tricks at once, and how not to fool yourself.
