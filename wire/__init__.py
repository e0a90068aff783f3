"""The ground floor: what every other layer speaks. Values only; no clock, socket, disk or randomness of its own."""
