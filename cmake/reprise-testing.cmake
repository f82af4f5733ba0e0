# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# Reads "// KEY: VALUE" from the first lines of a source, so that what a test needs is said where the
# test is. The build configures anew when the file changes.
function(reprise_read_marker variable source key)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
  file(STRINGS "${source}" lines LIMIT_COUNT 8 REGEX "^// ${key}:")
  list(TRANSFORM lines REPLACE "^// ${key}: *" "")
  set(${variable} "${lines}" PARENT_SCOPE)
endfunction()

# reprise_add_test(name SOURCES source... [LIBRARIES target...] [LABELS label...])
#
# One doctest executable test_<name with _ for .> and one CTest test of that name. Markers within the
# first lines of the first source:
#   // labels: reference long        labels for CTest
#   // backends: all                 a typed test: the same source once more under nvcc, as name.cuda
#   // optimise: always              in the sanitizers' build too, where it would run for minutes
#   // long: REPRISE_CASES=1000000   a second CTest test, name.long, with this environment
#   // planners: header-only         compiles planners itself; others link reprise::planners
#   // traces: shared                REPRISE_TRACES says where shared/traces lies (support/traces.hpp)
# A test that misses what it needs (see support/skip.hpp) ends with 77 and shows as skipped.
function(reprise_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES;LABELS")
  list(TRANSFORM arg_SOURCES PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
  list(GET arg_SOURCES 0 first_source)
  reprise_read_marker(labels "${first_source}" labels)
  reprise_read_marker(backends "${first_source}" backends)
  reprise_read_marker(optimise "${first_source}" optimise)
  reprise_read_marker(long_environment "${first_source}" long)
  reprise_read_marker(planners "${first_source}" planners)
  reprise_read_marker(traces "${first_source}" traces)
  string(REPLACE " " ";" labels "${labels}")
  string(REPLACE " " ";" long_environment "${long_environment}")
  list(APPEND labels ${arg_LABELS})

  string(REPLACE "." "_" target "test_${name}")
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE reprise_test_main ${arg_LIBRARIES})
  if(NOT planners STREQUAL "header-only")
    target_link_libraries(${target} PRIVATE reprise::planners)
  endif()
  if(traces STREQUAL "shared")
    target_compile_definitions(${target}
                               PRIVATE REPRISE_TRACES="${PROJECT_SOURCE_DIR}/../shared/traces")
  endif()
  if(optimise STREQUAL "always")
    target_link_libraries(${target} PRIVATE reprise_optimise)
  endif()
  # Tests run side by side: a thread that has nothing to do must not spin on another one's core.
  set(environment OMP_WAIT_POLICY=passive ${REPRISE_TEST_ENVIRONMENT})
  add_test(NAME ${name} COMMAND ${target})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 LABELS "${labels}"
                                          ENVIRONMENT "${environment}")
  if(long_environment)
    add_test(NAME ${name}.long COMMAND ${target})
    set_tests_properties(${name}.long PROPERTIES SKIP_RETURN_CODE 77 LABELS "${labels};long"
                                                 ENVIRONMENT "${environment};${long_environment}"
                                                 TIMEOUT 86400)
  endif()

  if(backends STREQUAL "all" AND REPRISE_HAS_CUDA
     AND EXISTS "${PROJECT_SOURCE_DIR}/include/reprise/backend/cuda.cuh")
    # From the folder of tests on: the compiler cache knows it again in another clone.
    cmake_path(RELATIVE_PATH first_source BASE_DIRECTORY "${PROJECT_SOURCE_DIR}/tests")
    set(cuda_source "${CMAKE_CURRENT_BINARY_DIR}/${target}.cu")
    file(CONFIGURE OUTPUT "${cuda_source}" CONTENT "#include <${first_source}>\n" @ONLY)
    reprise_add_cuda_test(${name}.cuda SOURCES "${cuda_source}" LIBRARIES ${arg_LIBRARIES}
                          LABELS ${labels})
  endif()
endfunction()

# reprise_add_cuda_test(name SOURCES source.cu... [LIBRARIES target...] [LABELS label...])
#
# As above for nvcc, one at a time on the GPU, skipped where there is none.
function(reprise_add_cuda_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES;LABELS")
  string(REPLACE "." "_" target "test_${name}")
  set_property(GLOBAL APPEND PROPERTY REPRISE_CUDA_TESTS ${target})
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE reprise_test_main_cuda reprise::planners ${arg_LIBRARIES})
  add_test(NAME ${name} COMMAND ${target})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 LABELS "${arg_LABELS};cuda"
                                          RESOURCE_LOCK gpu)
endfunction()
