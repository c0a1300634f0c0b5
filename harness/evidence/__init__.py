"""What is done with a run that has been: judge it again, repeat it, compare it with another, make it smaller."""
