# %% [markdown]
# # The article from end to end
#
# The lessons take the article's steps one by one. Here they are in its order, in plain PyTorch: one `fit` and one
# `evaluate` for all four models. The models' sizes and learning rates are ours. With drawn faces it takes about a
# minute on one core. With `MIEN_DATA` (docs/lessons.md) it reads the real file, which has ten times as many faces; the
# article's 25 epochs (10 for the CNN) then take long without a GPU.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from blackboard import fer2013_csv
from torch import nn
from torch.utils.data import DataLoader, Dataset

FACES, EPOCHS = 4000, 8  # how many drawn faces; the article has 25 epochs, 10 for the CNN
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
torch.manual_seed(0)

# %% The data frame, and its three splits
frame = pd.read_csv(fer2013_csv(FACES))
train_df, valid_df, test_df = (frame[frame.Usage == usage] for usage in ("Training", "PublicTest", "PrivateTest"))
print(f"{len(train_df):,} faces to train, {len(valid_df):,} to validate, {len(test_df):,} to test")


# %% A data set: (image tensor, label)
class Expressions(Dataset):
    """Faces of a data frame as (1, 48, 48), from -2 to 2. With `reach` they are flipped and cropped at random."""

    def __init__(self, frame, reach=0):
        self.images = np.stack([np.array(text.split(), np.uint8).reshape(1, 48, 48) for text in frame.pixels])
        self.labels, self.reach = frame.emotion.tolist(), reach

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        image = (torch.from_numpy(self.images[i]).float() / 255 - 0.5) / 0.25  # ToTensor, Normalize
        if self.reach:
            image = image.flip(2) if torch.rand(()) < 0.5 else image  # RandomHorizontalFlip
            top, left = torch.randint(2 * self.reach + 1, (2,)).tolist()  # RandomCrop, out of a wider picture
            image = nn.functional.pad(image, [self.reach] * 4, "replicate")[:, top : top + 48, left : left + 48]
        return image, self.labels[i]


# %% Batches of 400, on the GPU if there is one
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def to_device(things):
    return [thing.to(device) for thing in things]


class DeviceLoader:
    """A DataLoader whose batches come out on the device."""

    def __init__(self, dataset, shuffle=False):
        self.loader = DataLoader(dataset, batch_size=400, shuffle=shuffle)

    def __iter__(self):
        return (to_device(batch) for batch in self.loader)


plain, changed = DeviceLoader(Expressions(train_df), True), DeviceLoader(Expressions(train_df, reach=2), True)
valid, test_set = DeviceLoader(Expressions(valid_df)), Expressions(test_df)


# %% The two functions for all models. The loss is the cross-entropy, which unlike the accuracy has a slope everywhere
@torch.no_grad()
def evaluate(model, loader):
    """(loss, accuracy): the means over all faces."""
    model.eval()
    loss = right = n = 0
    for images, labels in loader:
        scores = model(images)
        loss += nn.functional.cross_entropy(scores, labels, reduction="sum").item()
        right += (scores.argmax(1) == labels).sum().item()
        n += len(labels)
    return loss / n, right / n


def fit(epochs, rate, model, train_loader, valid_loader, make_optimiser=torch.optim.Adam):
    """Train; gives (loss, accuracy) on the validation faces, before the first epoch and after each."""
    optimiser, history = make_optimiser(model.parameters(), rate), [evaluate(model, valid_loader)]
    for _ in range(epochs):
        model.train()
        for images, labels in train_loader:
            loss = nn.functional.cross_entropy(model(images), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        history.append(evaluate(model, valid_loader))
    return history


# %% The four models
class Block(nn.Module):
    """(B, before, H, W) -> (B, after, H / 2, W / 2): two convolutions, and a skip connection past them."""

    def __init__(self, before, after):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1), nn.BatchNorm2d(after),
        )  # fmt: skip
        self.skip = nn.Conv2d(before, after, 1, stride=2)

    def forward(self, x):
        return (self.skip(x) + self.convolutions(x)).relu()


def convolution(before, after):
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))


MODELS = {
    "logistic": nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 7)),
    "feed-forward": nn.Sequential(
        nn.Flatten(), nn.Linear(48 * 48, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 7)
    ),
    "CNN": nn.Sequential(
        convolution(1, 16), convolution(16, 32), convolution(32, 64), nn.Flatten(), nn.Linear(64 * 6 * 6, 7)
    ),
    "ResNet": nn.Sequential(convolution(1, 16), Block(16, 32), Block(32, 64), nn.Flatten(), nn.Linear(64 * 6 * 6, 7)),
}

# %% Training, and the curves
figure, panels = plt.subplots(1, 2, figsize=(8.6, 3.4))
for name, model in MODELS.items():
    history = fit(EPOCHS, 0.002, model.to(device), plain if name == "logistic" else changed, valid)
    for (loss, accuracy), when in zip((history[0], history[-1]), ("before", "after"), strict=True):
        print(f"{name:12} {when:6} training: validation loss {loss:.3f}, accuracy {accuracy:.3f}")
    for panel, what, values in zip(panels, ("loss", "accuracy"), zip(*history, strict=True), strict=True):
        panel.plot(values, label=name)
        panel.set(title=f"validation {what}", xlabel="epoch")
panels[0].legend()
plt.show()

# %% The test faces: once, at the end
for name, model in MODELS.items():
    print(f"{name:12} test accuracy {evaluate(model, DeviceLoader(test_set))[1]:.3f}")


# %% Some answers
@torch.no_grad()
def predict(image, label, model, panel):
    """Show one face with its predicted and its true label."""
    answer = model.eval()(image[None].to(device)).argmax(1).item()
    panel.imshow(image[0].numpy(), vmin=-2, vmax=2)
    panel.set_title(f"{CLASSES[answer]}\n(true: {CLASSES[label]})", fontsize=9)
    panel.axis("off")


figure, panels = plt.subplots(2, 6, figsize=(8.6, 3.8))
for panel, (image, label) in zip(panels.flat, test_set, strict=False):
    predict(image, label, MODELS["ResNet"], panel)
plt.show()
