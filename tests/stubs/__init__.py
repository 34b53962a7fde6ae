"""Stand-ins for components of a local stack that do what a script says, and write down what they truly did."""
