# Tests of harness/supervisor.
