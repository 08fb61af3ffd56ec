# Tests of harness/supervisor.
pluresdb_test(supervisor_schedule_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_faults_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_judge_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_memory_test.cc unit LIBS harness_supervisor)
pluresdb_test(supervisor_process_test.cc unit LIBS harness_supervisor)
