"""Hugging Face Trainer: the optimiser and its criterion as arguments."""

import tempfile

from data import digits, network
from torch import nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments

from thermoapps.natural_gradient import TNGD, accuracy


class Classifier(nn.Module):
    """A model as the Trainer calls them: by keywords, with a dictionary as its answer."""

    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, images, labels=None):
        """Logits."""
        return {"logits": self.network(images)}


if __name__ == "__main__":
    model = Classifier()
    opt = TNGD(model, lr=0.1, time=20.0)
    with tempfile.TemporaryDirectory() as folder:
        options = {"num_train_epochs": 2, "per_device_train_batch_size": 64, "use_cpu": True}
        Trainer(
            model,
            TrainingArguments(folder, report_to=[], save_strategy="no", **options),
            train_dataset=[{"images": image, "labels": label} for image, label in digits()],
            optimizers=(opt, None),
            compute_loss_func=lambda outputs, labels, num_items_in_batch=None: opt.criterion(outputs["logits"], labels),
        ).train()
    print(f"accuracy {accuracy(model.network, DataLoader(digits(), batch_size=300)):.3f}")
