"""How a node comes to life: home, keys, configuration, the composition root, the command line."""
