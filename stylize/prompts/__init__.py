"""What people type: text to styles and colours, with a confidence."""
