"""What people type: words to styles, colours, and how sure that is."""
