# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# What tests, benchmarks and examples need beyond the library: an installed package where there is
# one, otherwise a source archive pinned by its hash (-DFETCHCONTENT_TRY_FIND_PACKAGE_MODE=NEVER
# always takes the archive). Debian's pool holds each archive too, which helps behind a mirror;
# doctest and CLI11 come from there alone, as upstream's archives have no hash that is published.

include(FetchContent)

set(debian_pool "https://deb.debian.org/debian/pool/main")

# Finds or fetches a package, and runs none of its own CMake code.
function(reprise_make_available package)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "SHA256" "URL")
  FetchContent_Declare(
    ${package}
    URL ${arg_URL}
    URL_HASH SHA256=${arg_SHA256}
    DOWNLOAD_EXTRACT_TIMESTAMP FALSE
    SOURCE_SUBDIR no-such-folder
    FIND_PACKAGE_ARGS QUIET)
  FetchContent_MakeAvailable(${package})
  string(TOLOWER ${package} name)
  set(source_dir "${${name}_SOURCE_DIR}" PARENT_SCOPE)
  set(binary_dir "${${name}_BINARY_DIR}" PARENT_SCOPE)
endfunction()

# Makes a package of headers available as TARGET. INCLUDE is their folder inside the archive.
function(reprise_find_headers package target)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "INCLUDE;SHA256" "URL")
  reprise_make_available(${package} URL ${arg_URL} SHA256 ${arg_SHA256})
  if(NOT TARGET ${target})
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    target_include_directories(${target} SYSTEM INTERFACE "${source_dir}/${arg_INCLUDE}")
  endif()
endfunction()

reprise_find_headers(
  nlohmann_json nlohmann_json::nlohmann_json
  INCLUDE include
  URL "https://github.com/nlohmann/json/archive/refs/tags/v3.11.2.tar.gz"
      "${debian_pool}/n/nlohmann-json3/nlohmann-json3_3.11.2.orig.tar.gz"
  SHA256 d69f9deb6a75e2580465c6c4c5111b89c4dc2fa94e3a85fcd2ffcd9a143d9273)

if(REPRISE_BUILD_TESTS)
  reprise_find_headers(
    doctest doctest::doctest
    INCLUDE .
    URL "${debian_pool}/d/doctest/doctest_2.4.9~ds.orig.tar.xz"
    SHA256 7cc78169975bea36e70ab9d67e7de9b03d89b38653499ad03243e3944429b1ab)
  find_package(TBB QUIET) # one more host backend for the tests, where it is there
endif()

if(REPRISE_BUILD_EXAMPLES)
  reprise_find_headers(
    CLI11 CLI11::CLI11
    INCLUDE include
    URL "${debian_pool}/c/cli11/cli11_2.1.2+ds.orig.tar.xz"
    SHA256 8143d20b688e98ccce8e24562d3b68e5f47c12e896c42c7ca8553dbde5bed55d)
  # Recorded programs are compressed. Of a fetched package only the decoder is built, and nothing
  # installed.
  reprise_make_available(
    LibLZMA
    URL "${debian_pool}/x/xz-utils/xz-utils_5.4.1.orig.tar.xz"
    SHA256 5d9827aa1875b21c288f78864bb26d2650b436ea8d2cad364e4921eb6266a5a5)
  if(NOT TARGET LibLZMA::LibLZMA)
    set(CREATE_XZ_SYMLINKS OFF) # their rules confuse Ninja
    set(CREATE_LZMA_SYMLINKS OFF)
    add_subdirectory("${source_dir}" "${binary_dir}" EXCLUDE_FROM_ALL)
    add_library(LibLZMA::LibLZMA ALIAS liblzma)
  endif()
  reprise_make_available(
    ZLIB
    URL "${debian_pool}/z/zlib/zlib_1.2.13.dfsg.orig.tar.bz2"
    SHA256 71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1)
  if(NOT TARGET ZLIB::ZLIB)
    enable_language(C)
    # Debian's archive lacks a file that zlib's own CMake code asks for.
    set(sources adler32.c crc32.c inffast.c inflate.c inftrees.c zutil.c)
    list(TRANSFORM sources PREPEND "${source_dir}/")
    add_library(zlib_decoder STATIC EXCLUDE_FROM_ALL ${sources})
    target_include_directories(zlib_decoder SYSTEM PUBLIC "${source_dir}")
    add_library(ZLIB::ZLIB ALIAS zlib_decoder)
  endif()
endif()

if(REPRISE_BUILD_BENCHMARKS)
  set(BENCHMARK_ENABLE_TESTING OFF)
  set(BENCHMARK_ENABLE_INSTALL OFF)
  FetchContent_Declare(
    benchmark
    URL "https://github.com/google/benchmark/archive/refs/tags/v1.7.1.tar.gz"
        "${debian_pool}/b/benchmark/benchmark_1.7.1.orig.tar.gz"
    URL_HASH SHA256=6430e4092653380d9dc4ccb45a1e2dc9259d581f4866dc0759713126056bc1d7
    DOWNLOAD_EXTRACT_TIMESTAMP FALSE
    FIND_PACKAGE_ARGS QUIET)
  FetchContent_MakeAvailable(benchmark)
endif()

# Matrix products: OpenBLAS through its C interface where it is there, otherwise Eigen.
# Who links reprise_blas sees REPRISE_HAS_CBLAS as 1 or 0.
if(REPRISE_BUILD_BENCHMARKS OR REPRISE_BUILD_EXAMPLES)
  option(REPRISE_BLAS "Use OpenBLAS in benchmarks and examples where it is found" ON)
  add_library(reprise_blas INTERFACE)
  if(REPRISE_BLAS)
    find_path(REPRISE_CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES openblas)
    find_library(REPRISE_CBLAS_LIBRARY openblas)
    mark_as_advanced(REPRISE_CBLAS_INCLUDE_DIR REPRISE_CBLAS_LIBRARY)
  endif()
  if(REPRISE_BLAS AND REPRISE_CBLAS_INCLUDE_DIR AND REPRISE_CBLAS_LIBRARY)
    set(has_cblas 1)
    target_include_directories(reprise_blas SYSTEM INTERFACE "${REPRISE_CBLAS_INCLUDE_DIR}")
    target_link_libraries(reprise_blas INTERFACE "${REPRISE_CBLAS_LIBRARY}")
  else()
    set(has_cblas 0)
  endif()
  target_compile_definitions(reprise_blas INTERFACE REPRISE_HAS_CBLAS=${has_cblas})

  # The benchmarks compare against Eigen whether or not OpenBLAS is there.
  if(REPRISE_BUILD_BENCHMARKS OR NOT has_cblas)
    reprise_find_headers(
      Eigen3 Eigen3::Eigen
      INCLUDE .
      URL "https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.bz2"
          "${debian_pool}/e/eigen3/eigen3_3.4.0.orig.tar.bz2"
      SHA256 b4c198460eba6f28d34894e3a5710998818515104d6e74e5cc331ce31e46e626)
  endif()
  if(NOT has_cblas)
    target_link_libraries(reprise_blas INTERFACE Eigen3::Eigen)
  endif()
endif()
