"""What is load: names, sizes and objects, as data and pure functions. Imports no other package of the project."""
