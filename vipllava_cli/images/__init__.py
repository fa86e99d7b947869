"""Images: fetch, decode, save, and the view of the model."""
