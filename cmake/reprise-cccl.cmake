# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# Makes the target reprise::cccl: the headers of Thrust, CUB and libcudacxx, from CCCL 3 on.
#
# Built and installed trees both include this file. Thrust's own target is generated anew in each
# project, so install(EXPORT) refuses it; an imported target that each side makes again passes.
#
# REPRISE_CCCL_SOURCE says where the headers come from:
#   SYSTEM  a package that find_package finds, or the CUDA toolkit's, on PATH or not
#   WHEEL   the Python package nvidia-cuda-cccl (headers only, so one wheel serves every host)
#   AUTO    the first of these that is there

set(REPRISE_CCCL_SOURCE AUTO CACHE STRING "Where CCCL comes from: AUTO, SYSTEM, WHEEL")
set_property(CACHE REPRISE_CCCL_SOURCE PROPERTY STRINGS AUTO SYSTEM WHEEL)

# Unpacks the pinned wheel under the build tree, once, and leaves its root in ${root_variable}.
function(_reprise_fetch_cccl_wheel root_variable)
  set(version 13.0.85)
  set(sha256 e0da7ad981f3a8aff08241b5bfc1af868742a63e2762f53a5171c492ef242649)
  set(root "${CMAKE_BINARY_DIR}/_deps/cccl-${version}")
  if(NOT EXISTS "${root}/nvidia/cu13/lib/cmake/cccl/cccl-config.cmake")
    message(STATUS "Fetching CCCL: nvidia-cuda-cccl ${version} from the Python package index")
    find_program(REPRISE_PYTHON3 python3 REQUIRED)
    mark_as_advanced(REPRISE_PYTHON3)
    file(WRITE "${root}/requirements.txt" "nvidia-cuda-cccl==${version} --hash=sha256:${sha256}\n")
    execute_process(
      COMMAND
        "${REPRISE_PYTHON3}" -m pip download --quiet --disable-pip-version-check --no-deps
        --require-hashes --only-binary=:all: --platform manylinux2014_x86_64
        --requirement "${root}/requirements.txt" --dest "${root}"
      RESULT_VARIABLE failed)
    if(failed)
      message(
        FATAL_ERROR
          "Reprise needs the headers of CCCL 3 (Thrust and CUB), and could not download them.\n"
          "Install a CUDA toolkit 13, or python3 with pip, or CCCL 3 itself and pass -DCCCL_DIR=.")
    endif()
    file(GLOB wheel "${root}/*.whl")
    file(ARCHIVE_EXTRACT INPUT "${wheel}" DESTINATION "${root}")
    file(REMOVE "${wheel}")
  endif()
  set(${root_variable} "${root}/nvidia/cu13" PARENT_SCOPE)
endfunction()

# A macro, as find_package's variables are for the caller. Further arguments are places to look in.
macro(_reprise_find_cccl)
  # Thrust's default target would choose a device system for everyone who links it.
  set(CCCL_ENABLE_DEFAULT_THRUST_TARGET OFF)
  if(NOT TARGET Thrust::Thrust AND NOT REPRISE_CCCL_SOURCE STREQUAL "WHEEL")
    # Finds the toolkit without its bin on PATH, and needs no CUDA language.
    find_package(CUDAToolkit QUIET)
    find_package(CCCL 3.0 CONFIG QUIET HINTS "${CUDAToolkit_LIBRARY_DIR}/cmake" ${ARGN})
  endif()
endmacro()

if(NOT TARGET reprise::cccl)
  _reprise_find_cccl(${REPRISE_CCCL_HINTS})
  if(NOT TARGET Thrust::Thrust)
    if(REPRISE_CCCL_SOURCE STREQUAL "SYSTEM")
      message(FATAL_ERROR "Reprise needs CCCL 3: install a CUDA toolkit 13 or pass -DCCCL_DIR=.")
    endif()
    _reprise_fetch_cccl_wheel(REPRISE_CCCL_WHEEL_ROOT)
    find_package(CCCL 3.0 CONFIG REQUIRED NO_DEFAULT_PATH
                 HINTS "${REPRISE_CCCL_WHEEL_ROOT}/lib/cmake")
  endif()
  message(STATUS "CCCL: ${CCCL_DIR}")

  add_library(reprise::cccl INTERFACE IMPORTED GLOBAL)
  target_link_libraries(reprise::cccl INTERFACE CCCL::CCCL Thrust::Thrust)
  # Thrust's default device system is CUDA, whose headers a host compiler cannot read.
  target_compile_definitions(
    reprise::cccl
    INTERFACE "THRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_$<IF:$<COMPILE_LANGUAGE:CUDA>,CUDA,CPP>")
endif()
