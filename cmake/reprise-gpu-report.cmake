# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# The target gpu_report: builds and runs the CUDA tests, under compute-sanitizer too where it is
# there, the CUDA benchmarks and the demo on the GPU, and writes gpu_report.md into the build folder.
# This file is the script that it runs as well.

if(NOT CMAKE_SCRIPT_MODE_FILE)
  get_property(targets GLOBAL PROPERTY REPRISE_CUDA_TESTS)
  set(tests "")
  foreach(target IN LISTS targets)
    # One of them makes an error that a sanitizer is right to report.
    if(NOT target STREQUAL "test_cuda_sticky_error")
      list(APPEND tests "$<TARGET_FILE:${target}>")
    endif()
  endforeach()
  list(JOIN tests "," tests)
  set(benchmarks "$<TARGET_FILE:bench_backend_cuda>")
  if(TARGET bench_examples_gpt_cuda)
    string(APPEND benchmarks ",$<TARGET_FILE:bench_examples_gpt_cuda>")
  endif()
  set(demo "")
  if(TARGET gpt)
    set(demo "$<TARGET_FILE:gpt>")
  endif()
  add_custom_target(
    gpu_report
    COMMAND
      "${CMAKE_COMMAND}" "-DCTEST=${CMAKE_CTEST_COMMAND}" "-DTESTS=${tests}"
      "-DBENCHMARKS=${benchmarks}" "-DDEMO=${demo}" "-DREPORT=${PROJECT_BINARY_DIR}/gpu_report.md"
      "-DSOURCE=${PROJECT_SOURCE_DIR}" "-DSANITIZER_HINT=${CUDAToolkit_BIN_DIR}" -P
      "${CMAKE_CURRENT_LIST_FILE}"
    DEPENDS ${targets}
    WORKING_DIRECTORY "${PROJECT_BINARY_DIR}"
    USES_TERMINAL)
  return()
endif()

cmake_minimum_required(VERSION 3.25)
set(ENV{REPRISE_REQUIRE_GPU} 1)

set(benchmarks "")
string(REPLACE "," ";" executables "${BENCHMARKS}")
foreach(executable IN LISTS executables)
  execute_process(COMMAND "${executable}" OUTPUT_VARIABLE output RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${output}\nThe benchmarks did not run, so there is no report.")
  endif()
  string(APPEND benchmarks "${output}\n")
endforeach()

set(is_good TRUE)
execute_process(COMMAND "${CTEST}" -L cuda --no-tests=error --output-on-failure
                OUTPUT_VARIABLE tests RESULT_VARIABLE failed)
string(REGEX MATCH "[0-9]+% tests passed[^\n]*" summary "${tests}")
set(checks "| ctest -L cuda | ${summary} |\n")
if(failed)
  set(is_good FALSE)
  message("${tests}")
endif()

find_program(sanitizer compute-sanitizer HINTS "${SANITIZER_HINT}")
string(REPLACE "," ";" executables "${TESTS}")
foreach(tool IN ITEMS memcheck racecheck initcheck)
  set(result "not run: there is no compute-sanitizer")
  if(sanitizer)
    set(result "no finding")
    foreach(executable IN LISTS executables)
      execute_process(COMMAND "${sanitizer}" --tool ${tool} --error-exitcode 1 "${executable}"
                      OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE failed)
      if(failed)
        set(result "findings")
        set(is_good FALSE)
        message("${output}")
      endif()
    endforeach()
  endif()
  string(APPEND checks "| compute-sanitizer ${tool} | ${result} |\n")
endforeach()

# The model is GPT-2 124M's but for its vocabulary; keeping everything takes some 20 GiB.
set(demo "")
if(DEMO)
  set(options --device cuda --compare --layers 12 --channels 768 --heads 12 --context 1024 --batch 16
              --lr 3e-4 --steps 10)
  execute_process(COMMAND "${DEMO}" ${options} OUTPUT_VARIABLE output ERROR_VARIABLE output
                  RESULT_VARIABLE failed)
  list(JOIN options " " options)
  set(demo "\n`gpt ${options}`\n\n```\n${output}```\n")
  if(failed)
    set(is_good FALSE)
    message("${output}")
  endif()
endif()

string(TIMESTAMP date "%Y-%m-%d" UTC)
execute_process(COMMAND git -C "${SOURCE}" rev-parse --short HEAD OUTPUT_VARIABLE commit
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
file(WRITE "${REPORT}"
     "On ${date}, commit ${commit}: ${benchmarks}\n| check | result |\n|---|---|\n${checks}${demo}")
message(STATUS "Wrote ${REPORT}")
if(NOT is_good)
  message(FATAL_ERROR "Not all is good: see above.")
endif()
