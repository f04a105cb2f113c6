"""Parts of checkpoints of other projects, under this project's names; ``stylize.foreign`` recognises and reads them."""
