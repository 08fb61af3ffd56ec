# Tests of engine/wal.
pluresdb_test(wal_log_test.cc unit LIBS engine_wal)
