# Tests of harness/report.
