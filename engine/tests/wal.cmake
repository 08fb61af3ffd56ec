# Tests of engine/wal.
pluresdb_test(wal_log_test.cc unit LIBS engine_wal)
pluresdb_test(wal_crash_test.cc crash LIBS engine_wal)
pluresdb_test(wal_failure_test.cc unit LIBS engine_wal)
pluresdb_test(wal_damage_test.cc unit LIBS engine_wal)
pluresdb_test(wal_recovery_test.cc unit LIBS engine_wal)
pluresdb_test(wal_concurrency_test.cc unit LIBS engine_wal)
pluresdb_test(wal_format_test.cc unit LIBS engine_wal)
pluresdb_test(wal_property_test.cc property LIBS engine_wal rapidcheck
  ENVIRONMENT "RC_PARAMS=max_success=1000")
# A unit test, so that ThreadSanitizer runs it: it has threads.
pluresdb_test(wal_replay_test.cc unit LIBS engine_wal rapidcheck
  ENVIRONMENT "RC_PARAMS=max_success=1000" TIMEOUT 300)
pluresdb_test(wal_golden_test.cc golden LIBS engine_wal)
if(TARGET wal_golden_test)
  target_compile_definitions(wal_golden_test PRIVATE
    PLURESDB_GOLDEN_DIRECTORY="${CMAKE_CURRENT_SOURCE_DIR}/golden/wal")
endif()
