# Tests of harness/report, harness/metrics and dashboards/.
pluresdb_test(report_golden_test.cc golden LIBS harness_report)
pluresdb_test(report_files_test.cc unit LIBS harness_report pugixml::pugixml simdjson::simdjson)
pluresdb_test(report_html_test.cc unit LIBS harness_report pugixml::pugixml)
pluresdb_test(report_terminal_test.cc unit LIBS harness_report)
pluresdb_test(metrics_table_test.cc unit LIBS harness_metrics harness_scenario)
pluresdb_test(metrics_samples_test.cc unit LIBS harness_metrics)
pluresdb_test(metrics_exporter_test.cc unit LIBS harness_metrics EXTRA_LABELS web_server)
pluresdb_test(metrics_reference_test.cc golden LIBS harness_metrics)
pluresdb_test(metrics_dashboards_test.cc tool LIBS harness_metrics simdjson::simdjson)
if(PLURESDB_TESTS AND TARGET report_golden_test)
  target_compile_definitions(report_golden_test PRIVATE
    REPORT_GOLDEN_FOLDER="${CMAKE_CURRENT_SOURCE_DIR}/golden/report")
endif()
if(PLURESDB_TESTS AND TARGET metrics_reference_test)
  target_compile_definitions(metrics_reference_test PRIVATE
    METRICS_REFERENCE_FILE="${CMAKE_SOURCE_DIR}/docs/METRICS.md")
endif()
if(PLURESDB_TESTS AND TARGET metrics_dashboards_test)
  target_compile_definitions(metrics_dashboards_test PRIVATE
    DASHBOARDS_FOLDER="${CMAKE_SOURCE_DIR}/dashboards")
endif()
