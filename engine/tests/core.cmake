# Tests of engine/core.
if(PLURESDB_TESTS)
  add_library(core_test_support STATIC core_memory_disk.cc)
  target_link_libraries(core_test_support PUBLIC project_flags engine_core)
  # The process that the tests kill.
  add_executable(core_crash_child core_crash_child.cc)
  target_link_libraries(core_crash_child PRIVATE project_flags engine_core)
  set_target_properties(core_crash_child PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_compile_definitions(core_test_support PUBLIC
    PLURESDB_CRASH_CHILD="$<TARGET_FILE:core_crash_child>")
  target_compile_definitions(core_test_support PUBLIC
    PLURESDB_GOLDEN="${CMAKE_CURRENT_SOURCE_DIR}/golden")
  add_dependencies(core_test_support core_crash_child)
  # The process that the tests starve.
  add_executable(core_lane_child core_lane_child.cc)
  target_link_libraries(core_lane_child PRIVATE project_flags engine_core)
  set_target_properties(core_lane_child PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endif()
pluresdb_test(core_store_identity_test.cc unit LIBS core_test_support)
pluresdb_test(core_disk_space_test.cc unit LIBS core_test_support)
pluresdb_test(core_compactor_test.cc unit LIBS core_test_support)
pluresdb_test(core_checkpointer_test.cc unit LIBS core_test_support)
pluresdb_test(core_engine_test.cc unit LIBS core_test_support)
pluresdb_test(core_encryption_test.cc unit LIBS core_test_support)
pluresdb_test(core_durability_test.cc unit LIBS core_test_support)
pluresdb_test(core_restore_test.cc unit LIBS core_test_support TIMEOUT 300 EXTRA_LABELS forks)
if(PLURESDB_COVERAGE)  # gcov writes the counts of a child that ends by exec only where that is a builtin.
  set_source_files_properties(core_restore_test.cc PROPERTIES COMPILE_OPTIONS -std=gnu++23)
endif()
pluresdb_test(core_crash_test.cc crash LIBS core_test_support TIMEOUT 600 EXTRA_LABELS one_thread)
pluresdb_test(core_sync_test.cc crash LIBS core_test_support TIMEOUT 600 EXTRA_LABELS one_thread)
pluresdb_test(core_failure_test.cc crash LIBS core_test_support TIMEOUT 600 EXTRA_LABELS one_thread)
pluresdb_test(core_error_paths_test.cc unit LIBS core_test_support EXTRA_LABELS one_thread)
pluresdb_test(core_rewrite_test.cc crash LIBS core_test_support TIMEOUT 600)
pluresdb_test(core_wal_size_test.cc unit LIBS core_test_support)
pluresdb_test(core_agents_test.cc unit LIBS core_test_support)
pluresdb_test(core_example_test.cc unit LIBS core_test_support)
if(TARGET core_example_test)
  target_compile_definitions(core_example_test PRIVATE
    PLURESDB_EXAMPLE="$<TARGET_FILE:pluresdb-example>")
  add_dependencies(core_example_test pluresdb-example)
endif()
pluresdb_test(core_black_box_test.cc libfiu LIBS core_test_support TIMEOUT 300)
pluresdb_test(core_resources_test.cc crash LIBS core_test_support TIMEOUT 300 EXTRA_LABELS forks real_limits)
if(PLURESDB_TESTS)
  foreach(test core_black_box_test core_resources_test)
    target_compile_definitions(${test} PRIVATE PLURESDB_LANE_CHILD="$<TARGET_FILE:core_lane_child>")
    add_dependencies(${test} core_lane_child)
  endforeach()
endif()
pluresdb_test(core_property_test.cc property LIBS engine_core rapidcheck)
pluresdb_test(core_model_test.cc property LIBS core_test_support rapidcheck TIMEOUT 300)
pluresdb_test(core_rebuild_test.cc crash LIBS core_test_support TIMEOUT 300 EXTRA_LABELS one_thread)
pluresdb_test(core_rebuild_property_test.cc property LIBS core_test_support rapidcheck TIMEOUT 300)
# Unit tests, so that ThreadSanitizer runs them: they have threads.
pluresdb_test(core_table_test.cc unit LIBS engine_core rapidcheck TIMEOUT 300 EXTRA_LABELS properties)
pluresdb_test(core_replay_test.cc unit LIBS core_test_support rapidcheck TIMEOUT 300 EXTRA_LABELS properties)
# Over a gigabyte of log: by ci/test.sh --soak only.
if(PLURESDB_TESTS)
  add_executable(core_soak_child core_soak_child.cc)
  target_link_libraries(core_soak_child PRIVATE project_flags engine_core)
  set_target_properties(core_soak_child PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests EXCLUDE_FROM_ALL TRUE)
endif()
pluresdb_test(core_soak_test.cc soak LIBS core_test_support TIMEOUT 1800)
if(TARGET core_soak_test)
  target_compile_definitions(core_soak_test PRIVATE
    PLURESDB_SOAK_CHILD="$<TARGET_FILE:core_soak_child>")
  add_dependencies(core_soak_test core_soak_child)
endif()

# Whatever the engine promises it promises of encrypted stores, too.
foreach(test engine:unit restore:unit crash:crash sync:crash failure:crash rewrite:crash
        model:property rebuild:crash rebuild_property:property)
  string(REPLACE ":" ";" parts ${test})
  list(GET parts 0 name)
  list(GET parts 1 label)
  set(filter "*")
  if(name STREQUAL rebuild)
    set(filter "-*Damage*")  # They look for the text of a document in a file.
  endif()
  pluresdb_register(core_${name}_test_encrypted ${label} TIMEOUT 600 LABELS encrypted
    ENVIRONMENT PLURESDB_TEST_ENCRYPTED=1 COMMAND core_${name}_test --gtest_filter=${filter})
endforeach()
