"""Moving pictures: their files, the faces in them, and the style laid on steadily."""
