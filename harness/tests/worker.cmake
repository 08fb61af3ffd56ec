# Tests of harness/common and harness/worker.
pluresdb_test(worker_payload_test.cc unit LIBS harness_common simdjson::simdjson EXTRA_LABELS one_thread)
pluresdb_test(worker_common_test.cc unit LIBS harness_common engine_base)
pluresdb_test(worker_nonce_test.cc unit LIBS harness_common)
pluresdb_test(worker_stats_test.cc unit LIBS harness_worker harness_metrics harness_supervisor EXTRA_LABELS one_thread)
pluresdb_test(worker_agent_test.cc unit LIBS harness_worker harness_oracle)
pluresdb_test(worker_defect_test.cc unit LIBS harness_worker harness_scenario)
pluresdb_test(worker_target_test.cc unit LIBS harness_worker)
pluresdb_test(worker_process_test.cc crash LIBS harness_oracle harness_common faultinj fmt::fmt EXTRA_LABELS exhaustive)
if(PLURESDB_TESTS)
  target_compile_definitions(worker_defect_test PRIVATE
    SCENARIOS_FOLDER="${CMAKE_SOURCE_DIR}/scenarios")
  add_dependencies(worker_process_test pluresdb-soak-worker)
  target_compile_definitions(worker_process_test PRIVATE
    WORKER_BINARY="$<TARGET_FILE:pluresdb-soak-worker>")
endif()
