# Tests of harness/worker.
