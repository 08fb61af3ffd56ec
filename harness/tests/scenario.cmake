# Tests of harness/scenario.
