# Tests of engine/store.
pluresdb_test(store_base_store_test.cc unit LIBS engine_store)
pluresdb_test(store_codec_test.cc unit LIBS engine_store RocksDB::rocksdb-shared)
pluresdb_test(store_rocks_file_system_test.cc unit LIBS engine_store RocksDB::rocksdb-shared)
pluresdb_test(store_property_test.cc property LIBS engine_store rapidcheck)
pluresdb_test(store_history_test.cc property LIBS engine_store rapidcheck)
pluresdb_test(store_crash_test.cc crash LIBS engine_store EXTRA_LABELS one_thread)
pluresdb_test(store_kill_test.cc crash LIBS engine_store)
pluresdb_test(store_sealed_contents_test.cc unit LIBS engine_store)
if(TARGET store_sealed_contents_test)
  target_compile_definitions(store_sealed_contents_test PRIVATE
    PLURESDB_GOLDEN="${CMAKE_CURRENT_SOURCE_DIR}/golden")
endif()
pluresdb_test(store_sealed_test.cc unit LIBS engine_store EXTRA_LABELS one_thread)
