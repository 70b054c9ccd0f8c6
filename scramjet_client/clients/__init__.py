"""The clients from which you get to instances: hubs, sequences, topics, managers, platforms and fleets."""
