"""What the arguments and results of a module are: data, states and outputs, and which axis is time."""
