# Tests of engine/base and engine/io.
pluresdb_test(base_test.cc unit LIBS engine_base)
pluresdb_test(base_property_test.cc property LIBS engine_base rapidcheck)
pluresdb_test(io_posix_file_system_test.cc unit LIBS engine_io)
pluresdb_test(io_read_only_file_system_test.cc unit LIBS engine_io)
