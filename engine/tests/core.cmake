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
endif()
pluresdb_test(core_parts_test.cc unit LIBS core_test_support)
pluresdb_test(core_engine_test.cc unit LIBS core_test_support)
pluresdb_test(core_durability_test.cc unit LIBS core_test_support)
pluresdb_test(core_crash_test.cc crash LIBS core_test_support TIMEOUT 600)
pluresdb_test(core_agents_test.cc unit LIBS core_test_support)
pluresdb_test(core_example_test.cc unit LIBS core_test_support)
if(TARGET core_example_test)
  target_compile_definitions(core_example_test PRIVATE
    PLURESDB_EXAMPLE="$<TARGET_FILE:pluresdb-example>")
  add_dependencies(core_example_test pluresdb-example)
endif()
pluresdb_test(core_property_test.cc property LIBS engine_core rapidcheck
  ENVIRONMENT "RC_PARAMS=max_success=1000")
# Unit tests, so that ThreadSanitizer runs them: they have threads.
pluresdb_test(core_table_test.cc unit LIBS engine_core rapidcheck
  ENVIRONMENT "RC_PARAMS=max_success=1000" TIMEOUT 300)
pluresdb_test(core_replay_test.cc unit LIBS core_test_support rapidcheck
  ENVIRONMENT "RC_PARAMS=max_success=1000" TIMEOUT 300)
# A case is a whole life of a store with dozens of operations.
pluresdb_test(core_model_test.cc property LIBS core_test_support rapidcheck
  ENVIRONMENT "RC_PARAMS=max_success=400" TIMEOUT 300)
