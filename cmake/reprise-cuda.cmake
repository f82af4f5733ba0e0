# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# Enables the CUDA language where a toolkit is there and wanted, and says so in REPRISE_HAS_CUDA.
# The library itself never needs it: only tests, benchmarks and examples have .cu files.

set(REPRISE_HAS_CUDA FALSE)
if(REPRISE_CUDA STREQUAL "OFF")
  return()
endif()

# check_language looks on PATH only; the toolkit is often elsewhere.
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_NVCC_EXECUTABLE)
    set(CMAKE_CUDA_COMPILER "${CUDAToolkit_NVCC_EXECUTABLE}")
  endif()
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(REPRISE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "REPRISE_CUDA is ON and no CUDA compiler was found")
  endif()
  message(STATUS "CUDA: not found, so host only")
  return()
endif()

if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80 90)
endif()
enable_language(CUDA)
find_package(CUDAToolkit QUIET) # cuBLAS, for the benchmarks
set(REPRISE_HAS_CUDA TRUE)
