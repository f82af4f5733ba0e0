# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# Builds and runs one consumer from nothing. The installed one sees a fresh prefix and nothing of
# this source tree; the other one takes this build's CCCL, so as not to fetch it again.

file(REMOVE_RECURSE "${BINARY_DIR}")
set(prefix "${BINARY_DIR}/prefix")
execute_process(COMMAND "${CMAKE_COMMAND}" --install "${REPRISE_BINARY_DIR}" --prefix "${prefix}"
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
if(SOURCE_DIR MATCHES "/installed$")
  set(where "-DCMAKE_PREFIX_PATH=${prefix}")
  if(CCCL_SOURCE STREQUAL "WHEEL")
    # As on a machine that has no toolkit: the headers must have come along.
    list(APPEND where -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON
         -DCMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH=OFF)
  endif()
else()
  set(where "-DREPRISE_SOURCE_DIR=${REPRISE_SOURCE_DIR}" "-DCCCL_DIR=${CCCL_DIR}")
endif()

execute_process(
  COMMAND "${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${SOURCE_DIR}" -B "${BINARY_DIR}/build"
          "-DCMAKE_MAKE_PROGRAM=${MAKE_PROGRAM}" "-DCMAKE_CXX_COMPILER=${COMPILER}"
          "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}" ${where}
          COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${CMAKE_COMMAND}" --build "${BINARY_DIR}/build" COMMAND_ERROR_IS_FATAL ANY)
foreach(executable IN ITEMS consumer planning)
  execute_process(COMMAND "${BINARY_DIR}/build/${executable}" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
