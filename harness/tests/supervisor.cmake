# Tests of harness/supervisor.
pluresdb_test(supervisor_schedule_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_faults_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_setup_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_power_policy_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_judge_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_memory_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_plaintext_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_process_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_scenario_test.cc scenario LIBS fmt::fmt simdjson::simdjson TIMEOUT 300)
pluresdb_test(supervisor_endpoint_test.cc scenario LIBS fmt::fmt simdjson::simdjson
              EXTRA_LABELS web_server)
pluresdb_test(supervisor_negative_test.cc negative LIBS fmt::fmt simdjson::simdjson TIMEOUT 180)
pluresdb_test(supervisor_negative_controls_test.cc negative LIBS fmt::fmt simdjson::simdjson
              TIMEOUT 900 EXTRA_LABELS long)
pluresdb_test(supervisor_fiu_test.cc libfiu LIBS fmt::fmt simdjson::simdjson TIMEOUT 180)
pluresdb_test(supervisor_fault_scenarios_test.cc scenario LIBS fmt::fmt simdjson::simdjson
              TIMEOUT 900 EXTRA_LABELS long)
pluresdb_test(supervisor_nightly_test.cc scenario LIBS fmt::fmt simdjson::simdjson TIMEOUT 600
              EXTRA_LABELS long)
if(PLURESDB_TESTS)
  foreach(test supervisor_scenario_test supervisor_endpoint_test supervisor_negative_test
               supervisor_negative_controls_test supervisor_fiu_test
               supervisor_fault_scenarios_test supervisor_nightly_test)
    target_compile_definitions(${test} PRIVATE SOAK_BINARY="$<TARGET_FILE:pluresdb-soak>"
                                               SCENARIOS_FOLDER="${CMAKE_SOURCE_DIR}/scenarios")
    add_dependencies(${test} pluresdb-soak pluresdb-soak-worker)
  endforeach()
endif()

if(PLURESDB_TESTS)
  target_compile_definitions(supervisor_scenario_test PRIVATE
                             VALIDATE_BINARY="$<TARGET_FILE:pluresdb-validate>")
  add_dependencies(supervisor_scenario_test pluresdb-validate)
  target_compile_definitions(supervisor_fiu_test PRIVATE
                             LIBFIU_DISABLED="$<TARGET_FILE:libfiu_disabled>")
  add_dependencies(supervisor_fiu_test libfiu_disabled)
endif()

# Planted defects: each must be convicted by the check that its scenario names. All but
# scenarios/negative/slow-leak.toml, which takes eleven minutes (ci/time_to_find.py, by night).
if(PLURESDB_TESTS)
  foreach(scenario
      scenarios/negative/alien-behind-damage.toml
      scenarios/negative/alien-document.toml
      scenarios/negative/dropped-directory-sync.toml
      scenarios/negative/early-ack.toml
      scenarios/negative/hidden-base-damage.toml
      scenarios/negative/hidden-damage.toml
      scenarios/negative/ignored-tag.toml
      scenarios/negative/incomplete-scan.toml
      scenarios/negative/lost-delete.toml
      scenarios/negative/lost-suffix.toml
      scenarios/negative/lost-update.toml
      scenarios/negative/lying-fsync.toml
      scenarios/negative/lying-fsync-images.toml
      scenarios/negative/never-resumes.toml
      scenarios/negative/nonce-reuse.toml
      scenarios/negative/plaintext-leak.toml
      scenarios/negative/refused-but-written.toml
      scenarios/negative/resurrected-tombstone.toml
      scenarios/negative/silent-truncation.toml
      scenarios/negative/sudden-death.toml
      scenarios/negative/swapped-payloads.toml
      scenarios/negative/wrong-bytes.toml)
    get_filename_component(name ${scenario} NAME_WE)
    pluresdb_register(${name} negative TIMEOUT 120
      COMMAND $<TARGET_FILE:pluresdb-soak> check ${CMAKE_SOURCE_DIR}/${scenario})
  endforeach()
endif()
