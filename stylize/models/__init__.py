"""The networks and their files: generator, encoders, hypernetwork, text-image model, domain vectors."""
