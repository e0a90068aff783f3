"""What queens decide about: proposals, ballots, the tally, and what each action changes."""
