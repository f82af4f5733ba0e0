# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# Install rules, so that find_package(reprise) works. The prefix may be moved afterwards.

include(CMakePackageConfigHelpers)

set(reprise_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/reprise")

install(TARGETS reprise EXPORT repriseTargets)
install(EXPORT repriseTargets NAMESPACE reprise:: DESTINATION "${reprise_package_dir}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/reprise" TYPE INCLUDE)
# Of reprise::planners: who links it builds it.
install(DIRECTORY "${REPRISE_PLANNER_SOURCES}" DESTINATION "${reprise_package_dir}/src")

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/repriseConfig.cmake.in" "${PROJECT_BINARY_DIR}/repriseConfig.cmake"
  INSTALL_DESTINATION "${reprise_package_dir}" NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/repriseConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(
  FILES "${PROJECT_BINARY_DIR}/repriseConfig.cmake"
        "${PROJECT_BINARY_DIR}/repriseConfigVersion.cmake"
        "${PROJECT_SOURCE_DIR}/cmake/reprise-cccl.cmake"
        "${PROJECT_SOURCE_DIR}/cmake/reprise-planners.cmake"
  DESTINATION "${reprise_package_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# Headers that came as a wheel are nowhere else on this machine: they go along.
if(REPRISE_CCCL_WHEEL_ROOT)
  install(DIRECTORY "${REPRISE_CCCL_WHEEL_ROOT}/include" "${REPRISE_CCCL_WHEEL_ROOT}/lib"
          DESTINATION "${reprise_package_dir}/cccl")
endif()
