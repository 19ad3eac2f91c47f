"""What chips as they come from the fab do otherwise than the ideal one: draws, sites, net cells."""
