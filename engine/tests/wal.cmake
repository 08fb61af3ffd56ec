# Tests of engine/wal.
pluresdb_test(wal_log_test.cc unit LIBS engine_wal)
pluresdb_test(wal_sync_test.cc crash LIBS engine_wal EXTRA_LABELS one_thread)
pluresdb_test(wal_crash_test.cc crash LIBS engine_wal EXTRA_LABELS one_thread)
pluresdb_test(wal_compression_test.cc unit LIBS engine_wal PkgConfig::ZSTD EXTRA_LABELS one_thread)
pluresdb_test(wal_failure_test.cc unit LIBS engine_wal)
pluresdb_test(wal_segment_pool_test.cc unit LIBS engine_wal)
pluresdb_test(wal_read_failure_test.cc unit LIBS engine_wal EXTRA_LABELS one_thread)
pluresdb_test(wal_tail_rule_test.cc unit LIBS engine_wal EXTRA_LABELS one_thread)
pluresdb_test(wal_damage_test.cc unit LIBS engine_wal EXTRA_LABELS one_thread)
pluresdb_test(wal_recovery_test.cc unit LIBS engine_wal)
pluresdb_test(wal_forgery_test.cc unit LIBS engine_wal)
pluresdb_test(wal_examine_test.cc unit LIBS engine_wal)
pluresdb_test(wal_concurrency_test.cc unit LIBS engine_wal)
pluresdb_test(wal_format_test.cc unit LIBS engine_wal)
pluresdb_test(wal_property_test.cc property LIBS engine_wal rapidcheck)
# A unit test, so that ThreadSanitizer runs it: it has threads.
pluresdb_test(wal_replay_test.cc unit LIBS engine_wal rapidcheck TIMEOUT 300 EXTRA_LABELS properties)
pluresdb_test(wal_golden_test.cc golden LIBS engine_wal)
if(TARGET wal_golden_test)
  target_compile_definitions(wal_golden_test PRIVATE
    PLURESDB_GOLDEN_DIRECTORY="${CMAKE_CURRENT_SOURCE_DIR}/golden/wal"
    PLURESDB_GOLDEN_2_DIRECTORY="${CMAKE_CURRENT_SOURCE_DIR}/golden/wal-version-2")
endif()
