"""What is carried across the gap in one piece, and how it arrives there."""
