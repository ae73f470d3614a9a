"""Hugging Face Accelerate: `accelerator.backward` of the optimiser's criterion."""

from accelerate import Accelerator
from data import batches, digits, network
from torch.utils.data import DataLoader

from thermoapps.natural_gradient import TNGD, accuracy

if __name__ == "__main__":
    model, accelerator = network(), Accelerator(cpu=True, gradient_accumulation_steps=2)
    tngd = TNGD(model, lr=0.1, time=20.0)
    prepared, optimizer, loader = accelerator.prepare(model, tngd, batches())
    for _ in range(3):
        for images, labels in loader:
            with accelerator.accumulate(prepared):
                accelerator.backward(tngd.criterion(prepared(images), labels))
                optimizer.step()
                optimizer.zero_grad()
    print(f"accuracy {accuracy(model, DataLoader(digits(), batch_size=300)):.3f}")
