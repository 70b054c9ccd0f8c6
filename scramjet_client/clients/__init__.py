"""What leads to instances: hubs, sequences, topics, managers, platforms and fleets."""
