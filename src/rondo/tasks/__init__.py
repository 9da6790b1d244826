"""Applications: each task is a folder with its data, its model's training, its requests and its measures."""
