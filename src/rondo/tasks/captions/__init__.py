"""Image captions in Chinese: sentences about a picture, character by character."""
