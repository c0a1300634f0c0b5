"""The system under test: started, supervised and read as its users do."""
