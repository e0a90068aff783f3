"""The node as a value: it eats events and emits effects, and knows neither sockets nor clocks."""
