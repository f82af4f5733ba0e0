# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# cmake -DSOURCE=… -DWORK=… -DCUOBJDUMP=… -P check.cmake -- nvcc flag…
# Compiles the kernels for sm_80 and sm_90 and looks at what came out.

set(compile "")
set(is_command FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(is_command)
    list(APPEND compile "${CMAKE_ARGV${i}}")
  elseif(CMAKE_ARGV${i} STREQUAL "--")
    set(is_command TRUE)
  endif()
endforeach()

file(MAKE_DIRECTORY "${WORK}")
function(run variable)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE output
                  RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
  set(${variable} "${output}" PARENT_SCOPE)
endfunction()

# One pass over the C++ for both architectures.
set(ptx "${WORK}/kernels.ptx")
run(ignored ${compile} -arch=compute_80 -ptx -o "${ptx}" "${SOURCE}")
file(READ "${ptx}" text)
string(REGEX MATCHALL "ld\\.global\\.nc\\.v4\\.[a-z]+32" wide_loads "${text}")
list(LENGTH wide_loads count)
if(count LESS 4)
  message(FATAL_ERROR "the kernels have ${count} loads of 16 bytes, at least 4 are due")
endif()

list(GET compile 0 nvcc)
foreach(architecture IN ITEMS 80 90)
  set(code "${WORK}/kernels.sm_${architecture}.cubin")
  run(report "${nvcc}" -arch=sm_${architecture} -cubin -Xptxas=-v -o
      "${code}" "${ptx}")
  string(REGEX MATCHALL "[0-9]+ bytes stack frame[^\n]*" frames "${report}")
  list(LENGTH frames kernels)
  if(kernels LESS 4)
    message(FATAL_ERROR "ptxas told of ${kernels} kernels, 4 are due:\n${report}")
  endif()
  foreach(frame IN LISTS frames)
    if(NOT frame STREQUAL "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads")
      message(FATAL_ERROR "sm_${architecture}: a kernel uses local memory: ${frame}")
    endif()
  endforeach()
  if(CUOBJDUMP)
    run(machine_code "${CUOBJDUMP}" -sass "${code}")
    if(NOT machine_code MATCHES "LDG\\.E\\.128")
      message(FATAL_ERROR "sm_${architecture}: no load of 128 bits")
    endif()
    if(machine_code MATCHES "(LDL|STL)")
      message(FATAL_ERROR "sm_${architecture}: loads or stores of local memory")
    endif()
  endif()
endforeach()
message(STATUS "${count} loads of 16 bytes, no local memory")
