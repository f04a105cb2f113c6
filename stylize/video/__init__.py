"""Videos and animations: their files, the faces in them, and applying a style steadily."""
