# %% [markdown]
# # Lesson 1: logistic regression
#
# Now a machine learns. We build the simplest one that there is, with nothing but NumPy, and look at every sum that it
# does. Then we build the same one with PyTorch, and check that it does the same sums.
#
# **At the end you can** say what a weight, a score, a probability, a loss, a gradient and a learning rate are; why
# accuracy can't be a loss; work out a gradient by hand and check it; and write the two functions, `fit` and `evaluate`,
# that train nearly every network there is.
#
# **You need** lesson 0, and a little school mathematics: what a slope is, what a logarithm is. About 60 minutes.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from blackboard import BLUE, GREEN, ORANGE, PINK, faces, show_answers, show_faces
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

splits = faces(3000, at_most=6000)
CLASSES = splits.classes
print(splits.train, splits.val, splits.test, sep="\n")

# %% [markdown]
# We put the 48 rows of each face one after another, so that a face becomes one long row of 2,304 numbers. All faces
# together are a table: a row for each face, a column for each pixel. We divide by 255, and then we subtract the average
# face, so that what is left is how each face *differs* from the average: above 0 where it is lighter, below 0 where it
# is darker.


# %%
def rows(faces):
    """Faces -> (N, 2304) float32: each pixel minus its mean over the training faces."""
    return faces.images.reshape(len(faces), -1).astype(np.float32) / 255 - MEAN


MEAN = (splits.train.images.astype(np.float32) / 255).mean(0).reshape(1, -1)
X, y = rows(splits.train), splits.train.labels
X_val, y_val = rows(splits.val), splits.val.labels
print("X:", X.shape, X.dtype, "  y:", y.shape, y[:10])

# %% [markdown]
# ## 1. The whole idea: seven stencils
#
# Imagine seven stencils, one for each expression, as large as a face. Each stencil has a number for each pixel, its
# **weight**. We lay a stencil over a face, multiply each pixel by the weight that lies over it, and add everything up.
# That gives one number, the **score** of that expression. A lighter pixel than usual under a positive weight raises the
# score; under a negative one it lowers it. Seven stencils, seven scores; the highest one is the answer.
#
# Each expression also has one number that is added whatever the face is: its **bias**. In letters:
#
#     scores = X @ W + b
#
# `X` is the table of faces, `(N, 2304)`, and `W` the table of stencils, `(2304, 7)`, one in each column. (Such a table
# is also called a *matrix*.) `@` multiplies and adds up, for every face and every stencil, which gives `(N, 7)`; then
# `b`, `(7,)`, is added to each row. This is called *logistic regression*, and scores have a name that you will meet
# everywhere: **logits**.
#
# > **Your guess.** How many numbers does this machine have to learn?

# %%
W = np.zeros((2304, 7), np.float32)
b = np.zeros(7, np.float32)
print(f"{W.size:,} weights + {b.size} biases = {W.size + b.size:,} numbers, called parameters")

# %% [markdown]
# ## 2. From scores to probabilities: softmax
#
# A score of 3.1 means nothing by itself. We would like *probabilities*: seven numbers between 0 and 1 that add to 1.
# The function **softmax** makes them: raise *e* (2.718…) to each score, so that all are positive, then divide by their
# sum.
#
#     p[k] = exp(z[k]) / (exp(z[0]) + exp(z[1]) + ... + exp(z[6]))
#
# (`z` are the scores, `p` the probabilities, `k` is the number of a class.)


# %%
def softmax(scores):
    """(N, K) scores -> (N, K) probabilities; each row adds to 1."""
    powers = np.exp(scores - scores.max(1, keepdims=True))  # minus the largest: the same result, and never too large
    return powers / powers.sum(1, keepdims=True)


example = np.array([[2.0, 1.0, 0.0, -3.0]])
print("scores       ", example[0])
print("probabilities", softmax(example)[0].round(3), " sum", softmax(example).sum().round(6))
assert np.allclose(softmax(example), torch.tensor(example).softmax(1).numpy())
assert np.allclose(softmax(example), softmax(example + 100)), "adding the same to all scores changes nothing"

# %% [markdown]
# > **Your guess.** All our weights are 0. What probabilities does the machine give now, for any face?

# %%
p = softmax(X @ W + b)
print(p[0].round(4))

# %%
assert np.allclose(p, 1 / 7), "one seventh for each class: no idea at all"

# %% [markdown]
# ## 3. Why accuracy is no loss
#
# To learn, the machine needs one number that says *how wrong it is*, called the **loss**. It then changes its weights a
# little, so that the loss gets smaller, and again, and again.
#
# Why not simply take the accuracy? It is what we care about. Let us try. We take a machine with random weights, 60
# faces, and turn all the weights slowly in one direction, like a radio dial. At each position we look at two numbers:
# the accuracy, and the *cross-entropy*. Section 4 explains the latter; here it is enough that it is low when the true
# classes got high probabilities.
#
# > **Your guess.** How many different values can the accuracy of 60 faces have? Draw the two curves, before you scroll.


# %% picture="dial"
def cross_entropy(p, labels):
    """The mean of -log(probability given to the true class)."""
    given = p[np.arange(len(labels)), labels]  # of row 0 the column labels[0], of row 1 the column labels[1], ...
    return float(-np.log(given).mean())


rng = np.random.default_rng(0)
start = rng.normal(0, 0.03, W.shape).astype(np.float32)
few, few_y = X[:60], y[:60]
# np.eye(7) is a table with a 1 in row k at column k and 0 elsewhere; [few_y] takes row few_y[i] for face i
towards = few.T @ (np.eye(7, dtype=np.float32)[few_y] - softmax(few @ start))  # a good direction; section 5 says why
towards /= np.linalg.norm(towards)

dial = np.linspace(-0.25, 0.75, 400)
at = [softmax(few @ (start + t * towards)) for t in dial]
accuracies = [(p.argmax(1) == few_y).mean() for p in at]
losses = [cross_entropy(p, few_y) for p in at]
figure, panels = plt.subplots(1, 2, figsize=(8.6, 3))
panels[0].plot(dial, accuracies, color=ORANGE)
panels[0].set(title="accuracy", xlabel="position of the dial", ylabel="share of right answers")
panels[1].plot(dial, losses, color=BLUE)
panels[1].set(title="cross-entropy", xlabel="position of the dial", ylabel="loss")
plt.show()

# %% [markdown]
# The accuracy is a **staircase**, since it can only be 0, 1/60, 2/60 and so on. On each step it is perfectly flat, and
# then it jumps. Suppose that you stand blindfolded on such a step and want to go up. You feel with your foot to the
# left: flat. To the right: flat. You have no idea where to go. The cross-entropy is a **slope**: wherever you stand,
# your foot feels which way is down.
#
# Let us feel with the foot, for 200 single weights: change one by a tiny bit, and see which of the two numbers changes.

# %%
here = softmax(few @ start)
noticed = {"accuracy": 0, "cross-entropy": 0}
for pixel, kind in zip(rng.integers(0, 2304, 200), rng.integers(0, 7, 200), strict=True):
    nudged = start.astype(np.float64)  # twice as many digits, for so small a step
    before = softmax(few @ nudged)
    nudged[pixel, kind] += 1e-5
    after = softmax(few @ nudged)
    noticed["accuracy"] += (after.argmax(1) == few_y).mean() != (before.argmax(1) == few_y).mean()
    noticed["cross-entropy"] += cross_entropy(after, few_y) != cross_entropy(before, few_y)
print(f"of 200 nudges, the accuracy noticed {noticed['accuracy']}, the cross-entropy {noticed['cross-entropy']}")
assert noticed["accuracy"] == 0
assert noticed["cross-entropy"] == 200

# %% [markdown]
# That is the reason. **Accuracy says how good you are, but not how to become better.** So we *learn* by a loss that has
# a slope everywhere, and *judge* by the accuracy.
#
# ## 4. Cross-entropy: the price of being surprised
#
# The machine gave the true class the probability `p`. The price is `-log(p)`, where `log` is the natural logarithm.
#
# > **Your guess.** What is the price for `p = 1`? For `p = 0.5`? What happens as `p` comes near 0?

# %% picture="price"
given = np.linspace(0.005, 1, 300)
plt.figure(figsize=(5.6, 3))
plt.plot(given, -np.log(given), color=BLUE)
for p_true, text in ((1.0, "sure and right"), (0.5, "half sure"), (1 / 7, "no idea"), (0.01, "sure and wrong")):
    price = abs(np.log(p_true))  # the same as -log p, without "-0.00" for 1
    plt.plot(p_true, price, "o", color=ORANGE)
    ends = {"ha": "right", "xytext": (4, 16)} if p_true == 1 else {"ha": "left", "xytext": (8, 4)}
    plt.annotate(f"{text}: {price:.2f}", (p_true, price), textcoords="offset points", **ends)
plt.xlabel("probability that was given to the true class")
plt.ylabel("price, -log p")
plt.title("cross-entropy of one answer")
plt.show()
print(
    "no idea costs log 7 =",
    round(float(np.log(7)), 4),
    "; our machine of zeros:",
    round(cross_entropy(softmax(X @ W + b), y), 4),
)

# %%
assert np.isclose(cross_entropy(softmax(X @ W + b), y), np.log(7), atol=1e-5)

# %% [markdown]
# Being right and sure is free. Being sure and *wrong* is very expensive. So it pays to be honest about doubt, and that
# is what we want. The **cross-entropy** is the mean price over all faces. Remember log 7 = 1.95: with seven classes, a
# loss above that is worse than the loss of a machine that knows nothing.
#
# ## 5. The gradient, by hand
#
# The **gradient** is a list of slopes, one for each parameter: how much does the loss rise when this parameter rises a
# little? Walk against it, and the loss falls. How do we get it?
#
# Take one face with the pixels `x` and the true class `t`. Its price is `-log(p[t])`. Write out `p[t]` by the formula
# of softmax; the logarithm of a quotient is a difference, and `log(exp(z[t]))` is `z[t]`:
#
#     price = -z[t] + log(exp(z[0]) + ... + exp(z[6]))
#
# Now: how much does the price rise when one score `z[k]` rises a little?
#
# * The first part, `-z[t]`, has the slope -1 if `k` is the true class, else 0.
# * The second part is `log(S)`, with `S` for the sum `exp(z[0]) + ... + exp(z[6])`. From school: the slope of `log(S)`
#   is `1 / S`, times the slope of `S` (the chain rule). In `S` only the term `exp(z[k])` changes when `z[k]` does, and
#   the slope of `exp` is `exp` itself. Together: `exp(z[k]) / S`. But that is `p[k]`!
#
# So the slope is `p[k] - 1` for the true class and `p[k] - 0` for the others. In one line, and it is one of the most
# beautiful lines of this field:
#
#     slope of the price = what you said - what is true = p - onehot(t)
#
# (`onehot` writes a class as seven numbers: a 1 at its place, 0 elsewhere.) And since `z = x @ W + b`, the slope at a
# weight is its pixel times the slope at its score, and the slope at a bias is the slope at its score. Over all faces we
# take the mean.


# %%
def gradient(X, labels, W, b):
    """The slopes of the mean cross-entropy: (2304, 7) for the weights, (7,) for the biases."""
    wrong_by = softmax(X @ W + b) - np.eye(7, dtype=X.dtype)[labels]  # (N, 7): said minus true
    return X.T @ wrong_by / len(X), wrong_by.mean(0)


by_hand_W, by_hand_b = gradient(few, few_y, start, b)
print("slopes:", by_hand_W.shape, by_hand_b.shape)

# %% [markdown]
# Did we make a mistake? **Never trust a gradient that you haven't checked.** There are two checks. The slow one: nudge
# a weight a little up and a little down, and see by how much the loss changes. The quick one: PyTorch writes down every
# step that it calculates, and can go back along them to work out all slopes by itself. That is called **autograd**, and
# it is the heart of PyTorch.

# %%
W_torch = torch.tensor(start, requires_grad=True)  # "write down what is done with these"
b_torch = torch.tensor(b, requires_grad=True)
loss = nn.functional.cross_entropy(torch.tensor(few) @ W_torch + b_torch, torch.tensor(few_y))
loss.backward()  # go back along all steps; the slopes are in .grad now
apart = float((W_torch.grad - torch.tensor(by_hand_W)).abs().max())
print(f"by hand against autograd: apart by at most {apart:.1e}, of slopes as large as {np.abs(by_hand_W).max():.2f}")
assert np.allclose(by_hand_W, W_torch.grad, atol=1e-6)
assert np.allclose(by_hand_b, b_torch.grad, atol=1e-6)

step, exact = 1e-6, start.astype(np.float64)
for pixel, kind in ((0, 0), (1000, 3), (1500, 5), (2303, 6)):
    up, down = exact.copy(), exact.copy()
    up[pixel, kind] += step
    down[pixel, kind] -= step
    slope = (cross_entropy(softmax(few @ up), few_y) - cross_entropy(softmax(few @ down), few_y)) / (2 * step)
    print(
        f"weight of pixel {pixel:4} for {CLASSES[kind]:9} nudged {slope:+.6f}   by hand {by_hand_W[pixel, kind]:+.6f}"
    )
    assert np.isclose(slope, by_hand_W[pixel, kind], atol=1e-5)

# %% [markdown]
# Three ways, one answer. You have just done by hand what every deep-learning library does inside.
#
# ## 6. Learning is walking downhill
#
# Work out the gradient, go a small step against it, repeat: **gradient descent**. The size of the step is the
# **learning rate**.
#
# > **Your guess.** What happens if the step is much too small? And if it is much too large?


# %% picture="rates"
def descend(steps, rate):
    """From zeros, on all training faces. Gives W, b, and (loss, training, validation accuracy) before each step."""
    W, b, history = np.zeros((2304, 7), np.float32), np.zeros(7, np.float32), []
    for _ in range(steps):
        p = softmax(X @ W + b)
        right = (p.argmax(1) == y).mean(), ((X_val @ W + b).argmax(1) == y_val).mean()
        history.append((cross_entropy(np.maximum(p, 1e-12), y), *right))  # never 0, of which there is no logarithm
        slope_W, slope_b = gradient(X, y, W, b)
        W, b = W - rate * slope_W, b - rate * slope_b
    return W, b, np.array(history)


plt.figure(figsize=(6.4, 3.2))
rates = {rate: descend(60, rate)[2][:, 0] for rate in (0.001, 0.03, 1.0)}
for (rate, losses), colour in zip(rates.items(), (PINK, BLUE, ORANGE), strict=True):
    plt.plot(losses, color=colour, label=f"rate {rate}")
plt.axhline(np.log(7), color="#8A8A8A", ls=":", label="no idea: log 7")
plt.ylim(rates[0.03].min() - 0.1, 2.6)  # what is above is cut off
plt.xlabel("step")
plt.ylabel("training loss")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
assert rates[0.03][-1] < rates[0.001][-1] < rates[1.0][-1]

# %% [markdown]
# Too small, and you will be here all day. Too large, and you jump over the valley to the other slope, and back, and
# never settle. The learning rate is the first setting to change when a training goes wrong.
#
# Now for real: 300 steps at a good rate.

# %% picture="300 steps"
W, b, steps = descend(300, 0.03)
floor = np.bincount(y_val).max() / len(y_val)
print(f"at the first step: loss {steps[0, 0]:.3f}, validation accuracy {steps[0, 2]:.3f}")
print(f"at the last step:  loss {steps[-1, 0]:.3f}, validation accuracy {steps[-1, 2]:.3f}")
print(f"without looking:   validation accuracy {floor:.3f}")
plt.figure(figsize=(6.4, 3))
plt.plot(steps[:, 1], "--", color=BLUE, label="training faces")
plt.plot(steps[:, 2], color=ORANGE, label="validation faces")
plt.axhline(floor, color="#8A8A8A", ls=":", label="without looking")
plt.xlabel("step")
plt.ylabel("accuracy")
plt.legend()
plt.show()
assert steps[-1, 0] < steps[0, 0]
assert steps[-1, 2] > floor + 0.05

# %% [markdown]
# It learned. Nobody told it what a mouth is. All that it did was to subtract slopes.
#
# ## 7. What has it learned? Look at the stencils
#
# A stencil has a number for each pixel. So it is a picture, and we can look at it. Blue: "if it is *lighter* here than
# in the average face, that speaks for me". Red: "... that speaks against me" (so *dark* speaks for it).
#
# > **Your guess.** What will the stencil of 'surprise' look like around the mouth? And that of 'happy'?

# %% picture="stencils"
reach = np.abs(W).max() * 0.8
show_faces(W.T.reshape(7, 48, 48), CLASSES, columns=7, cmap="RdBu", vmin=-reach, vmax=reach)
plt.show()

# %% [markdown]
# With drawn faces you see a dark red patch in 'surprise', where an open mouth is dark. 'Angry' asks for something dark
# where lowered brows are, and 'disgust' for something light where teeth show. (Real faces give softer stencils of the
# same kind.) The machine has found mouths and brows, though to it the pixels are 2,304 unrelated columns; it doesn't
# even know which ones are neighbours.
#
# You also see its weakness. There is **one** stencil for each class, so it must fit *all* happy faces at once: left,
# right, near, tilted, light and dark. So it can only be a blurred mixture of all of them. Hold on to this thought.
#
# ## 8. The same with PyTorch
#
# In PyTorch a model is a class with its parameters inside, and a `forward` that says what is done with them.
# `nn.Linear` is exactly our `X @ W + b`; only its table of weights is kept the other way round, `(7, 2304)`.


# %%
class Logistic(nn.Module):
    """Seven stencils. (B, 2304) -> (B, 7) scores."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2304, 7)

    def forward(self, x):
        return self.linear(x)


# a TensorDataset is a data set of tensors of equal length: its item i is (row i of the faces, label i)
train_loader = DataLoader(TensorDataset(torch.tensor(X), torch.tensor(y)), batch_size=100, shuffle=True)
valid_loader = DataLoader(TensorDataset(torch.tensor(X_val), torch.tensor(y_val)), batch_size=400)

# %% [markdown]
# Before we go on: is it really the same? We start PyTorch's model with zeros, and do 20 steps on all faces. If it is
# the same arithmetic, the weights must come out the same as ours. (`.detach()` gives the numbers without PyTorch's
# record of how they were calculated; `.T` turns the table round.)

# %%
same = Logistic()
nn.init.zeros_(same.linear.weight)
nn.init.zeros_(same.linear.bias)
optimiser = torch.optim.SGD(same.parameters(), lr=0.03)  # it does "parameter - rate × slope", for all parameters
for _ in range(20):
    loss = nn.functional.cross_entropy(same(torch.tensor(X)), torch.tensor(y))
    optimiser.zero_grad()  # forget the slopes of the last step
    loss.backward()  # work out the new ones
    optimiser.step()  # walk
ours, _, _ = descend(20, 0.03)
print("largest difference of a weight:", float(np.abs(same.linear.weight.detach().numpy().T - ours).max()))
assert np.allclose(same.linear.weight.detach().numpy().T, ours, atol=1e-5)

# %% [markdown]
# It is. Now the two functions that the article uses for *all* its models. `evaluate` asks about every face and changes
# nothing. `fit` goes through the batches, takes a step after each, and evaluates after each epoch.
#
# One thing is new: a step after every *batch* of 100 faces, not after all of them. So one look at 2,100 faces gives 21
# steps instead of one. This is **stochastic** gradient descent, SGD for short; "stochastic" means that chance decides
# which faces are in a batch.


# %%
@torch.no_grad()  # nothing is learned here, so nothing has to be written down
def evaluate(model, loader):
    """(loss, accuracy) over all batches of a loader."""
    model.eval()  # some layers behave differently while learning; ours doesn't yet
    loss = right = n = 0
    for images, labels in loader:
        scores = model(images)
        loss += nn.functional.cross_entropy(scores, labels, reduction="sum").item()
        right += (scores.argmax(1) == labels).sum().item()
        n += len(labels)
    return loss / n, right / n


def fit(epochs, rate, model, train_loader, valid_loader, make_optimiser=torch.optim.SGD):
    """Train; gives (training loss, validation loss, validation accuracy) of each epoch."""
    optimiser, history = make_optimiser(model.parameters(), rate), []
    for epoch in range(epochs):
        model.train()
        losses = []
        for images, labels in train_loader:
            loss = nn.functional.cross_entropy(model(images), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        history.append((float(np.mean(losses)), *evaluate(model, valid_loader)))
        if epoch % 5 == 4:
            print(
                "epoch {:2}: training loss {:.3f}, validation loss {:.3f}, accuracy {:.3f}".format(
                    epoch + 1, *history[-1]
                )
            )
    return history


torch.manual_seed(0)  # so that your run and mine draw the same random numbers
model = Logistic()
before = evaluate(model, valid_loader)
print("before:   loss {:.3f}, accuracy {:.3f}".format(*before))

# %% [markdown]
# > **Your guess.** 25 epochs, as in the article: each face is looked at 25 times. By hand we looked at each 300 times.
# > Which one will have got farther?

# %% picture="25 epochs"
history = fit(25, 0.03, model, train_loader, valid_loader)
after = evaluate(model, valid_loader)
print("after:    loss {:.3f}, accuracy {:.3f}".format(*after))
print(f"a step for all faces: training loss at look 25 {steps[24, 0]:.3f}, at look 300 {steps[-1, 0]:.3f}")
print(f"a step for each batch: training loss at look 25 {history[-1][0]:.3f}")
learned, judged, accuracy = zip(*history, strict=True)
figure, panels = plt.subplots(1, 2, figsize=(8.6, 3))
panels[0].plot(range(1, 26), learned, "--", color=BLUE, label="training")
panels[0].plot(range(1, 26), judged, color=ORANGE, label="validation")
panels[0].set(title="loss", xlabel="epoch")
panels[0].legend()
panels[1].plot(range(26), [before[1], *accuracy], color=ORANGE)
panels[1].axhline(floor, color="#8A8A8A", ls=":", label="without looking")
panels[1].set(title="validation accuracy", xlabel="epoch")
panels[1].legend()
plt.show()

# %%
assert after[1] > max(floor, before[1]) + 0.04
assert history[-1][0] < steps[-1, 0] < steps[24, 0]

# %% [markdown]
# A batch gives only a rough idea of the slope. But many rough steps beat one exact step: with 25 looks at each face
# they got farther than the exact ones with 300. Rough and often, that is how all networks are trained.
#
# The article reports 31 % with this model on the real FER2013, where always saying "happy" gives 25 %, and writes
# that it "does not cross this certain limit". With better settings (larger steps, smaller batches) `mien`'s logistic
# regression reaches 39 % there, but one stencil for each class can't do much more, however long you train it.
#
# ## 9. Ask it
#
# A **predict** function: one face in, one word out. We use validation faces; the test faces are for the very end.


# %% picture="answers"
@torch.no_grad()
def predict(face, model):
    """A (48, 48) uint8 face -> the name of its most probable class."""
    x = torch.tensor(face.reshape(1, -1).astype(np.float32) / 255 - MEAN)
    return CLASSES[model(x).argmax(1).item()]


some = splits.val[:12]
show_answers(some.images, [predict(face, model) for face in some.images], [CLASSES[label] for label in some.labels])
plt.show()

# %% [markdown]
# Which one surprises you most? Look at what it confuses. Would a person confuse that, too?
#
# How sure is it when it is right, and when it is wrong? Sure and wrong would be bad.

# %% picture="how sure"
with torch.no_grad():
    sure, answer = model(torch.tensor(X_val)).softmax(1).max(1)
fits = (answer == torch.tensor(y_val)).numpy()
plt.figure(figsize=(6.4, 2.8))
plt.hist([sure[fits].numpy(), sure[~fits].numpy()], bins=15, color=[GREEN, ORANGE], label=["right", "wrong"])
plt.xlabel("probability of the answer it gave")
plt.ylabel("validation faces")
plt.legend()
plt.show()
print(f"mean probability when right {sure[fits].mean():.2f}, when wrong {sure[~fits].mean():.2f}")
assert sure[fits].mean() > sure[~fits].mean()

# %% [markdown]
# ## What to take with you
#
# * The model: scores = X W + b; softmax makes probabilities of scores.
# * Learn by a loss with a slope everywhere (cross-entropy); judge by the accuracy.
# * The slope at the scores is *what you said minus what is true*.
# * Check gradients. Know the loss of "no idea": log of the number of classes.
# * One stencil for each class is too little, however long it is trained. The *model* has to become richer.
#
# ## Exercises
#
# Solutions: `lessons/solutions/solution_1.py`.
#
# **1.1 Never too large.** In `softmax`, write `np.exp(scores)` in place of `np.exp(scores - scores.max(...))`, and try
# scores of 1,000. What happens, and why? Then write `log_softmax(scores)` that gives the *logarithms* of the
# probabilities and is right even for scores like 1,000 and -1,000. (Hint: section 5 has the formula.)
#
# ```python
# big = np.array([[1000.0, 0.0, -1000.0]])
# assert np.allclose(log_softmax(big), torch.tensor(big).log_softmax(1))
# ```
#
# **1.2 A rubber band.** *Weight decay* adds a price for large weights to the loss: `decay / 2 * (W ** 2).sum()`. Work
# out by hand what that adds to the gradient. Write `decayed_gradient(X, labels, W, b, decay)`, and check it with
# autograd.
#
# ```python
# w = torch.tensor(start, requires_grad=True)
# (nn.functional.cross_entropy(torch.tensor(few) @ w, torch.tensor(few_y)) + 0.3 / 2 * (w**2).sum()).backward()
# assert np.allclose(decayed_gradient(few, few_y, start, np.zeros(7, np.float32), 0.3)[0], w.grad, atol=1e-5)
# ```
#
# **1.3 Who is mistaken for whom?** Write `confusion(true, predicted, k)`: a `(k, k)` table; the row is the true class,
# the column the predicted one, each cell counts faces. Draw it for our model. Which two expressions are confused most?
#
# ```python
# assert confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist() == [[1, 1], [0, 1]]
# ```
#
# **Next:** [lesson 2](lesson_2_feedforward.py) puts stencils on top of stencils.
