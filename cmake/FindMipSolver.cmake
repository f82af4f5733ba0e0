# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# A solver of mixed integer programmes as a program of its own: HiGHS, CBC or GLPK, the first of
# them that there is. MipSolver_EXECUTABLE chooses another one.

find_program(MipSolver_EXECUTABLE NAMES highs cbc glpsol
             DOC "HiGHS's highs, CBC's cbc or GLPK's glpsol")
mark_as_advanced(MipSolver_EXECUTABLE)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MipSolver REQUIRED_VARS MipSolver_EXECUTABLE)
