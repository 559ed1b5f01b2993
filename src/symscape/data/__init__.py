"""Data sets as uint8 tensors on the device, and augmentation of whole batches."""
