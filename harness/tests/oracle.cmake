# Tests of harness/oracle.
