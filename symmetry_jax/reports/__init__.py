"""What a study leaves behind for a reader: claims, figures and a page."""
