"""Real SQL servers of this machine, as kine's datastore: started, crashed, restarted, harmed. Not unit tests."""
