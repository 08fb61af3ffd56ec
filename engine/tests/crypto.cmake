# Tests of engine/crypto.
pluresdb_test(crypto_process_test.cc unit LIBS engine_crypto EXTRA_LABELS forks)
pluresdb_test(crypto_vectors_test.cc unit LIBS engine_crypto simdjson::simdjson fmt::fmt EXTRA_LABELS one_thread)
pluresdb_test(crypto_chunk_test.cc unit LIBS engine_crypto simdjson::simdjson fmt::fmt)
pluresdb_test(crypto_nonce_test.cc property LIBS engine_crypto simdjson::simdjson fmt::fmt rapidcheck ${CMAKE_DL_LIBS})
