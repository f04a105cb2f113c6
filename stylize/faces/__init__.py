"""From a photo to aligned faces and back."""
