"""What clients ask for rather than listen to: tickets, bars, completeness, predictions, health."""
