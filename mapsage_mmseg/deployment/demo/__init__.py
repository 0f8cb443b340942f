"""The demo page: student and teacher side by side on pictures."""
