"""A load that several drivers send together: processes of this machine, or the pods of an Indexed Job."""
