"""PyTorch Lightning: `training_step` returns an optimiser's criterion; manual optimisation goes backward from it."""

import lightning
from data import batches, digits, network
from torch.utils.data import DataLoader

from thermoapps.natural_gradient import TNGD, accuracy


class Digits(lightning.LightningModule):
    """A classifier."""

    def __init__(self):
        super().__init__()
        self.network = network()

    def configure_optimizers(self):
        """Lightning asks for it."""
        self.optimizer = TNGD(self.network, lr=0.1, time=20.0)
        return self.optimizer

    def training_step(self, batch, index):
        """The one line that differs."""
        images, labels = batch
        return self.optimizer.criterion(self.network(images), labels)


if __name__ == "__main__":
    model = Digits()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    lightning.Trainer(max_epochs=2, accelerator="cpu", **quiet).fit(model, batches())
    print(f"accuracy {accuracy(model.network, DataLoader(digits(), batch_size=300)):.3f}")
