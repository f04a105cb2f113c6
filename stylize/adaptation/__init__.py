"""Making a domain vector: from a description, from pictures; and finding a face's own W+."""
