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
#   // joined: no                    is never compiled together with others (reprise_add_room)
# A test that misses what it needs (see support/skip.hpp) ends with 77 and shows as skipped.
function(reprise_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES;LABELS")
  list(TRANSFORM arg_SOURCES PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
  list(GET arg_SOURCES 0 first_source)
  reprise_read_marker(backends "${first_source}" backends)
  reprise_read_marker(optimise "${first_source}" optimise)
  reprise_read_marker(planners "${first_source}" planners)
  reprise_read_marker(traces "${first_source}" traces)

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
  reprise_register_test(${name} "${first_source}" LABELS ${arg_LABELS} COMMAND ${target})

  if(backends STREQUAL "all" AND REPRISE_HAS_CUDA
     AND EXISTS "${PROJECT_SOURCE_DIR}/include/reprise/backend/cuda.cuh")
    # From the folder of tests on: the compiler cache knows it again in another clone.
    cmake_path(RELATIVE_PATH first_source BASE_DIRECTORY "${PROJECT_SOURCE_DIR}/tests")
    set(cuda_source "${CMAKE_CURRENT_BINARY_DIR}/${target}.cu")
    file(CONFIGURE OUTPUT "${cuda_source}" CONTENT "#include <${first_source}>\n" @ONLY)
    reprise_add_cuda_test(${name}.cuda SOURCES "${cuda_source}" LIBRARIES ${arg_LIBRARIES}
                          LABELS ${arg_LABELS})
  endif()
endfunction()

# reprise_register_test(name source COMMAND target [argument...] [LABELS label...])
#
# The CTest test, and the one of its long form, as the source's markers say.
function(reprise_register_test name source)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "COMMAND;LABELS")
  reprise_read_marker(labels "${source}" labels)
  reprise_read_marker(long_environment "${source}" long)
  string(REPLACE " " ";" labels "${labels}")
  string(REPLACE " " ";" long_environment "${long_environment}")
  list(APPEND labels ${arg_LABELS})

  # Tests run side by side: a thread that has nothing to do must not spin on another one's core.
  set(environment OMP_WAIT_POLICY=passive ${REPRISE_TEST_ENVIRONMENT})
  add_test(NAME ${name} COMMAND ${arg_COMMAND})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 LABELS "${labels}"
                                          ENVIRONMENT "${environment}")
  if(long_environment)
    add_test(NAME ${name}.long COMMAND ${arg_COMMAND})
    set_tests_properties(${name}.long PROPERTIES SKIP_RETURN_CODE 77 LABELS "${labels};long"
                                                 ENVIRONMENT "${environment};${long_environment}"
                                                 TIMEOUT 86400)
  endif()
endfunction()

# reprise_add_room(room SOURCES room/component.cpp... [LIBRARIES target...])
#
# The same tests by fewer executables: test_<room>, and test_<room>_optimised for those that say
# `optimise: always`. Ten sources at most are compiled as one, so that what they all instantiate is
# compiled once for them. A source that cannot be joined (reprise_join_sources) says `joined: no`.
function(reprise_add_room room)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  set(plain)
  set(optimised)
  foreach(source IN LISTS arg_SOURCES)
    cmake_path(GET source STEM component)
    set(path "${CMAKE_CURRENT_SOURCE_DIR}/${source}")
    reprise_read_marker(alone "${path}" "(joined|backends|planners|traces)")
    reprise_read_marker(optimise "${path}" optimise)
    if(NOT alone STREQUAL "")
      reprise_add_test(${room}.${component} SOURCES ${source} LIBRARIES ${arg_LIBRARIES})
    elseif(optimise STREQUAL "always")
      list(APPEND optimised ${component})
    else()
      list(APPEND plain ${component})
    endif()
  endforeach()
  reprise_join_tests(test_${room} ${room} "${plain}" ${arg_LIBRARIES})
  reprise_join_tests(test_${room}_optimised ${room} "${optimised}" ${arg_LIBRARIES} reprise_optimise)
endfunction()

# reprise_join_sources(output path...)
#
# One source of these, of which each, named from the folder of tests on, is in a namespace of its own.
# What they include comes first, so that nothing is left to include within a namespace. A source that
# specialises a template of the library, or includes by condition, cannot be there.
function(reprise_join_sources output)
  set(includes)
  set(bodies)
  foreach(path IN LISTS ARGN)
    file(STRINGS "${PROJECT_SOURCE_DIR}/tests/${path}" lines REGEX "^#include ")
    list(APPEND includes ${lines})
    string(MAKE_C_IDENTIFIER "${path}" name)
    string(APPEND bodies "namespace ${name} {\n#include <${path}>\n}\n")
  endforeach()
  list(REMOVE_DUPLICATES includes)
  list(JOIN includes "\n" includes)
  file(CONFIGURE OUTPUT "${output}" CONTENT "${includes}\n${bodies}" @ONLY)
endfunction()

# The executable of these components of a room, and the test of each.
function(reprise_join_tests target room components)
  set(joined)
  while(components)
    list(LENGTH components left)
    math(EXPR batches "(${left} + 9) / 10")
    math(EXPR count "(${left} + ${batches} - 1) / ${batches}")
    list(SUBLIST components 0 ${count} batch)
    list(REMOVE_ITEM components ${batch})
    list(GET batch 0 first)
    set(source "${CMAKE_CURRENT_BINARY_DIR}/${target}_from_${first}.cpp")
    list(TRANSFORM batch PREPEND "${room}/" OUTPUT_VARIABLE paths)
    list(TRANSFORM paths APPEND ".cpp")
    reprise_join_sources("${source}" ${paths})
    list(APPEND joined "${source}")
    foreach(component IN LISTS batch)
      reprise_register_test(
        ${room}.${component} "${CMAKE_CURRENT_SOURCE_DIR}/${room}/${component}.cpp" COMMAND ${target}
        "--source-file=*${room}/${component}.cpp")
    endforeach()
  endwhile()
  if(joined)
    add_executable(${target} ${joined})
    target_link_libraries(${target} PRIVATE reprise_test_main reprise::planners ${ARGN})
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
