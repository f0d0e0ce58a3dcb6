# %% [markdown]
# # Lesson 6: from model to product
#
# A network in a notebook helps nobody. In this lesson it gets a file of its own, meets a picture with many faces in it,
# and then we look hard at what it can't do, and at what one shouldn't do with it even if one can.
#
# **At the end you can** export a network and check that nothing was lost; read the expressions in a photo; measure what
# breaks a network; and say, to a boss or a client, when the answer is no.
#
# **You need** lesson 5. About 45 minutes.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from blackboard import BLUE, GRAY, GREEN, MADE, ORANGE, bars, faces, show_faces
from PIL import Image

import mien

splits = faces(3000, at_most=6000)
CLASSES = splits.classes

# %% [markdown]
# ## 1. A folder that says what it is
#
# You know the drawer with the unlabelled keys. Weights are like that: a file of numbers, and in half a year nobody
# knows which faces they were trained on, in which order the classes are, whether pixels were divided by 255. So weights
# should never travel alone. `mien.train` makes a **run folder**: the weights, and with them a **card** that says
# everything that one must know to use them.

# %%
folder = MADE / "cnn"
recipe = mien.recipe("cnn", "demo", epochs=8, batch=32, precision="float32")
for epoch in mien.train(folder, splits, recipe, device="cpu", resume=True):  # resume: this cell may be run again
    print(epoch)
print("\nin the folder:", ", ".join(sorted(path.name for path in folder.iterdir())))
card = mien.Card.read(folder)
print("model:", card.model, " parameters:", f"{card.parameters:,}", " classes:", ", ".join(card.classes))
print("learned from:", card.data.source, " validation accuracy:", round(card.scores["after"]["val"]["accuracy"], 3))

# %% [markdown]
# ## 2. Export: the network without its school
#
# PyTorch is a school: it has all that is needed to learn. To *answer*, little is needed: the sums of `forward`.
# **ONNX** is a file format for just those sums. A small program runs it, on a server, on a telephone, in a browser,
# without PyTorch. To write a network into such a file is called **exporting** it.
#
# `mien.train` has done so already: `model.onnx`. It holds the whole way from raw pixels to probabilities, and the card,
# so there is nothing left that one could do differently and wrong.
#
# > **Your guess.** Will both give *exactly* the same probabilities? And which one is faster?

# %%
network, _ = mien.load_run(folder)
exported = mien.Net(folder)
pixels = splits.val.images[:256]


def by_torch(images):
    with torch.no_grad():
        return network.eval()(torch.from_numpy(images)[:, None]).softmax(1).numpy()


apart = np.abs(by_torch(pixels) - exported(pixels)).max()
print(f"largest difference of a probability: {apart:.1e}")


def milliseconds(predict, images, repeat=5):
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        predict(images)
        times.append(1000 * (time.perf_counter() - began))
    return min(times)


for name, predict in (("PyTorch", by_torch), ("ONNX", exported)):
    one, many = milliseconds(predict, pixels[:1]), milliseconds(predict, pixels) / len(pixels)
    print(f"{name:8} one face alone {one:.2f} ms; in a batch of {len(pixels)} {many:.2f} ms a face")
print(f"size of model.onnx: {(folder / 'model.onnx').stat().st_size / 1024:,.0f} KiB")

# %%
assert apart < 1e-4

# %% [markdown]
# Not exactly the same: computers add decimals in some order, and another order gives another last digit. That is
# harmless. What isn't harmless is a wrong class order or a forgotten division by 255; a network doesn't complain about
# such things, it just answers nonsense. **So compare, every time.** `mien.export_onnx` refuses to write a file that
# doesn't agree with PyTorch.
#
# ## 3. A picture with faces in it
#
# Out there, nobody hands you 48 × 48 pixels. There is a photo. So three steps come before the answer:
#
# 1. **Detect**: find the faces. (Another network does that; it comes with `mien`.)
# 2. **Align**: cut each one out, turned upright, as large as the network knows faces.
# 3. **Recognise**: ask the network.
#
# We make ourselves a group picture.
#
# > **Your guess.** How many of the eight faces will be found? One of them is small, and one is tilted.

# %% picture="group"
scene = Image.new("L", (900, 470), 165)
for place, face in enumerate(splits.val.images[[1, 3, 5, 6, 7, 11, 4, 9]]):
    side, turn = (90, 0) if place == 3 else (190, 0)
    if place == 6:
        turn = 15
    portrait = Image.fromarray(face).resize((side, side), Image.Resampling.BICUBIC).rotate(turn, fillcolor=165)
    scene.paste(portrait, (20 + 220 * (place % 4), 20 + 225 * (place // 4)))
scene = np.asarray(scene)

recognizer = mien.Recognizer(folder)
reading = recognizer(scene)
figure, panel = plt.subplots(figsize=(8.6, 4.6))
panel.imshow(scene, vmin=0, vmax=255)
panel.axis("off")
for face in reading:
    x, y, width, height = face.box
    panel.add_patch(plt.Rectangle((x, y), width, height, fill=False, edgecolor=ORANGE, linewidth=1.8))
    label = f"{face.label} {face.confidence:.2f}"
    panel.text(
        x, y - 5, label, fontsize=8.5, color="white", bbox={"facecolor": "#1A1A1A", "edgecolor": "none", "pad": 1.5}
    )
plt.show()
print(f"{len(reading)} faces found; from the picture to the answers {milliseconds(recognizer, scene, 2):.0f} ms")

# %%
assert len(reading) >= 4

# %% [markdown]
# Count the boxes. Which one is missing, and is it one that you thought of? A face that the detector misses, the network
# never gets to see; and no accuracy of the network tells you of it. Measure the whole way, not the last step.
#
# With a photo of your own: `mien.Recognizer()("party.jpg")`, or in the shell `mien predict party.jpg`. Without a
# folder, a network that comes with mien is taken: `small`, with its weights rounded to 8 bits. It was trained on real
# photographs.
#
# Nothing of this leaves your computer, and nothing is stored. Faces are personal data. Please keep it that way.
#
# ## 4. Pictures of another kind
#
# `small` is right on about seven in ten of FER2013's validation faces. It is calibrated, and it has a threshold below
# which it answers "uncertain". A solid piece of work. Now we show it our *drawn* faces, the same upside down, and pure
# noise. It was trained on none of the three.

# %% picture="noise"
noise = np.random.default_rng(0).integers(0, 256, (64, 48, 48)).astype(np.uint8)
show_faces(noise[:8], ["noise"] * 8)
plt.show()

# %% [markdown]
# > **Your guess.** How often will it be right on drawn faces? And, more important: will it *notice* that these aren't
# > its kind of pictures? Which word will it give noise, and how sure will it be? (Someone with no idea would say 14 %.)

# %% picture="out of its depth"
small = mien.Net("small")
drawn = mien.drawn_faces(1400).val
report = mien.evaluate(small, drawn)
shown = {"drawn faces": drawn.images, "drawn, upside down": drawn.images[:, ::-1].copy(), "pure noise": noise}
says = {}
for name, images in shown.items():
    answer = small(images)
    says[name] = float(answer.max(1).mean())
    most = small.classes[np.bincount(answer.argmax(1)).argmax()]
    known = (answer.max(1) >= small.card.uncertain).mean()
    print(f"{name:18} most often '{most}'; {known:.0%} of the answers pass its threshold of {small.card.uncertain:.2f}")
print(f"on drawn faces it says {says['drawn faces']:.2f} on average, and is right on {report.accuracy:.2f}")
bars(says, "how sure it says it is, on average", colours=[BLUE, BLUE, ORANGE], style="{:.2f}")
plt.show()

# %%
assert says["drawn faces"] > report.accuracy + 0.1
assert min(says.values()) > 1.5 / 7
assert not len(recognizer(noise.reshape(8 * 48, 8 * 48))), "in noise the detector finds no face"

# %% [markdown]
# On drawings it is far surer than it is right. And noise, which shows nothing at all, gets a word, too, perhaps more
# surely than the drawings do: compare the bars. A network answers *whatever* you show it, for it has only those seven
# drawers and must put everything into one. Its confidence means something for pictures like FER2013's, and for no
# others. So does its threshold: look above how many answers on noise pass it. (In `mien predict` it is the detector
# that keeps most such pictures out: in noise it finds no face.)
#
# This is called **distribution shift**: the world isn't the training set. A product that works in the laboratory and
# fails in the shop has mostly met one. The only remedy is to measure on pictures from where it will be used.
#
# ## 5. What breaks it? Measure
#
# > **Your guess.** Our own CNN, on its own kind of faces: what hurts more, half the light, or a slight blur?


# %% picture="harms"
def darker(images, level):
    return (images * (1 - 0.22 * level)).astype(np.uint8)


def blurred(images, level):
    x = torch.from_numpy(images)[:, None].float()
    for _ in range(level):  # each time the mean of 3 × 3 pixels
        x = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return x[:, 0].round().to(torch.uint8).numpy()


def covered(images, level):
    x = images.copy()
    if level:
        x[:, 48 - 6 * level :] = 128  # a scarf, from below
    return x


def moved(images, level):
    return np.pad(images, ((0, 0), (0, 0), (3 * level, 0)), mode="edge")[:, :, :48]


def accuracy(images):
    return float((exported(np.ascontiguousarray(images)).argmax(1) == splits.val.labels).mean())


harms = {"darker": darker, "blurred": blurred, "covered from below": covered, "moved sideways": moved}
found = {name: [accuracy(harm(splits.val.images, level)) for level in range(5)] for name, harm in harms.items()}
plt.figure(figsize=(6.8, 3.3))
for (name, values), colour, marker in zip(found.items(), (BLUE, ORANGE, GREEN, "#CC79A7"), "ovsD", strict=True):
    plt.plot(range(5), values, f"{marker}-", color=colour, label=name)
plt.axhline(max(splits.val.counts.values()) / len(splits.val), color=GRAY, ls=":", label="without looking")
plt.xlabel("level (0: as it is)")
plt.ylabel("validation accuracy")
plt.xticks(range(5))
plt.legend(fontsize=8.5, ncols=2)
plt.ylim(0, None)
plt.show()

# %%
assert all(values[0] == found["darker"][0] for values in found.values())
assert found["covered from below"][-1] < found["covered from below"][0]
assert found["blurred"][2] < found["darker"][2], "out of focus is worse than half the light"

# %% [markdown]
# Light matters little, since each face is brought into a fair light first (exercise 0.1 pays off). Blur costs most: a
# picture out of focus, a face far away, a file squeezed too small. What covers the mouth costs much, too: a mask, a
# beard, a hand, a microphone. Think of where your pictures come from. `mien robustness` measures more of this.
#
# ## 6. For whom does it fail?
#
# An accuracy is a mean. A mean can hide that a network is good for one group and bad for another. We split the
# validation faces by how light the picture is, into thirds. (It is only lightness, in drawings. For real people the
# groups would be age, sex, skin, glasses, and one would need their consent to know. FER2013 doesn't say who is in it.
# So nobody can check it properly: a good reason for great care.)
#
# > **Your guess.** Will the three thirds be equally good? If not, on which will it be best, and by how many points?

# %% picture="thirds"
light = splits.val.images.mean((1, 2))
thirds = dict(zip(("dark", "middle", "light"), np.array_split(np.argsort(light), 3), strict=True))
right = exported(splits.val.images).argmax(1) == splits.val.labels
shares = {f"{name} third ({len(part)})": float(right[part].mean()) for name, part in thirds.items()}
errors = [2 * np.sqrt(right[part].mean() * (1 - right[part].mean()) / len(part)) for part in thirds.values()]
bars(shares, "accuracy by lightness of the picture", errors=errors, colours=[GRAY] * 3)
plt.show()
widest = max(shares.values()) - min(shares.values())
print(f"widest gap {100 * widest:.1f} points; chance alone does about ± {100 * max(errors) * np.sqrt(2):.1f} to a gap")

# %% [markdown]
# Ask two questions of such a figure. Is the gap larger than chance? The line above says how many points chance alone
# makes. The smaller the groups, the more; so in small groups seeing *no* gap proves nothing either. And: if there is a
# gap, who pays for it?
#
# ## 7. An expression is not an emotion
#
# Everything we built rests on labels, and the labels rest on a question that was put to people: "which of these seven
# words fits this face?" So the network predicts **what people would say about a picture**. It doesn't know what the
# person feels. People smile out of politeness, scowl when they concentrate, and cry for joy. A large review of the
# research (Barrett and others, 2019) found that one can't reliably read from a face what someone feels; the same
# movements mean different things in different people, situations and cultures.
#
# So be careful with words. Write "looks happy to annotators: 0.82". Never "is happy".
#
# **What the law says.** In the European Union it has been forbidden since February 2025 to use AI to infer emotions at
# work and in schools, except for medical or safety reasons (AI Act, Article 5). Elsewhere it is often high-risk, and
# people must be told. Faces are personal data almost everywhere. This isn't legal advice; get some.
#
# **When the answer is no.** Whatever the accuracy, don't use it
#
# * to judge, rank, hire, grade, police or diagnose people;
# * on people who haven't agreed to it, or who can't well refuse: employees, pupils, patients, prisoners, people at a
#   border;
# * where a wrong answer costs someone something and they have no way to object.
#
# **What is left?** A fair amount. A mirror that helps actors or people who practise expressions. Sorting your own
# holiday photos. Research on how *annotators* see faces. Art. A game that people play because they like to. And
# learning how such things work, so that you can tell when someone sells you what can't be had.
#
# > **Your guess.** An airport screens 100,000 travellers a day for "fear". Ten of them really have something to hide.
# > The system finds 90 % of those, and is wrong on only 5 % of the others. An alarm sounds. How probable is it that
# > this traveller is one of the ten?

# %%
hits, false_alarms = 10 * 0.9, (100_000 - 10) * 0.05
print(f"{hits:.0f} true alarms among {hits + false_alarms:,.0f}: {hits / (hits + false_alarms):.2%}")

# %%
assert hits / (hits + false_alarms) < 0.002

# %% [markdown]
# One in 556. The other 555 are tired people who dislike flying, and they are taken aside, every day. (And no network is
# as good as that.) This is the **base rate**: where something is rare, nearly all alarms are false, however good the
# detector.
#
# ## What to take with you
#
# * Weights never travel alone. Compare an export with its original.
# * A network answers whatever you show it. Measure where it will be used.
# * A mean hides groups. A rare thing means false alarms.
# * It predicts what people would *say* about a face. That is all, and it is quite something.
#
# ## Exercises
#
# Solutions: `lessons/solutions/solution_6.py`.
#
# **6.1 A steady hand.** In a video the answer jitters. Write `steady(times, p, half_life)`, which returns smoothed
# probabilities. `p` is (T, K), one row of probabilities for each frame at `times` (in seconds). The first row stays;
# then `smoothed = keep * smoothed before + (1 - keep) * now`, with `keep = 0.5 ** (seconds passed / half_life)`: what
# came before counts half as much after each half-life.
#
# ```python
# one, other = [1, 0], [0, 1]
# smoothed = steady([0, 0.5, 1.5], np.array([one, other, other]), half_life=0.5)
# assert np.allclose(smoothed, [[1, 0], [0.5, 0.5], [0.125, 0.875]])
# ```
#
# **6.2 Base rate.** Write `true_alarms(prevalence, found, false_alarms)`: the share of alarms that are true, from the
# share of people who have something to hide, the share of these that are found, and the share of the others that set
# off an alarm. How small must the last be at the airport above, so that every second alarm is a true one?
#
# ```python
# assert np.isclose(true_alarms(10 / 100_000, 0.9, 0.05), hits / (hits + false_alarms))
# assert np.isclose(true_alarms(0.5, 0.9, 0.1), 0.9)
# ```
#
# **6.3 An interval for small groups.** For 9 of 9 right, `sqrt(p (1 - p) / n)` says "± 0", which is silly. Wilson's 95
# % interval (1927) is better. With z = 1.96 its middle is `(right + z²/2) / (n + z²)`, and it reaches `z / (n + z²) *
# sqrt(right * (n - right) / n + z²/4)` to each side. Write `wilson(right, n)`, which returns its two ends.
#
# ```python
# low, high = wilson(9, 9)
# assert 0.69 < low < 0.71 and np.isclose(high, 1)
# ```
#
# **That was the last lesson.** You know now how such a network is built, down to the single sum, and how to tell a good
# measurement from a bad one. The second will serve you longer.
