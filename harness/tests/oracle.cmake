# Tests of harness/oracle.
pluresdb_test(oracle_test.cc unit LIBS harness_oracle)
pluresdb_test(oracle_damage_test.cc unit LIBS harness_oracle)
pluresdb_test(oracle_property_test.cc property LIBS harness_oracle rapidcheck)
