# SPDX-License-Identifier: Apache-2.0
#
# What the tests of Ruby, PHP and Perl share: a library that is preloaded in place of the product,
# and the language that the tests are written in. Included by each of their directories.
if(NOT TARGET script_probe)
  add_library(script_probe SHARED
    ${CMAKE_CURRENT_LIST_DIR}/probe.cc
    ${PROJECT_SOURCE_DIR}/shim/stack/script/ruby.cc
    ${PROJECT_SOURCE_DIR}/shim/stack/script/php.cc
    ${PROJECT_SOURCE_DIR}/shim/stack/script/perl.cc)
  target_compile_options(script_probe PRIVATE -fno-exceptions -fno-rtti)
  target_link_libraries(script_probe PRIVATE pqleash_options ${CMAKE_DL_LIBS})

  add_library(script_test_support STATIC ${CMAKE_CURRENT_LIST_DIR}/script_run.cc)
  target_compile_definitions(script_test_support PRIVATE
    PQLEASH_PROBE="$<TARGET_FILE:script_probe>")
  target_link_libraries(script_test_support PUBLIC
    pqleash_options pqleash_test_support GTest::gtest GTest::gmock)
  add_dependencies(script_test_support script_probe)
endif()
