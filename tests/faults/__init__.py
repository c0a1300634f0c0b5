"""Every kind of fault on a real cluster: no evidence without the harm, an undo from the journal alone."""
