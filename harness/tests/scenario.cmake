# Tests of harness/scenario and harness/cli.
pluresdb_test(scenario_units_test.cc unit LIBS harness_scenario)
pluresdb_test(scenario_parse_test.cc unit LIBS harness_scenario)
pluresdb_test(scenario_golden_test.cc golden LIBS harness_scenario)
pluresdb_test(scenario_property_test.cc property LIBS harness_scenario rapidcheck)
pluresdb_test(soak_cli_test.cc tool LIBS fmt::fmt)
if(PLURESDB_TESTS)
  target_compile_definitions(scenario_golden_test PRIVATE
    SCENARIO_GOLDEN_FOLDER="${CMAKE_CURRENT_SOURCE_DIR}/golden/scenario")
  target_compile_definitions(scenario_parse_test PRIVATE
    SCENARIOS_FOLDER="${CMAKE_SOURCE_DIR}/scenarios")
  target_compile_definitions(scenario_property_test PRIVATE
    SCENARIOS_FOLDER="${CMAKE_SOURCE_DIR}/scenarios")
  target_compile_definitions(soak_cli_test PRIVATE
    SOAK_BINARY="$<TARGET_FILE:pluresdb-soak>" PROJECT_FOLDER="${CMAKE_SOURCE_DIR}")
  add_dependencies(soak_cli_test pluresdb-soak)
endif()
