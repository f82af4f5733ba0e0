# SPDX-FileCopyrightText: The Reprise authors
# SPDX-License-Identifier: Apache-2.0

# The rooms of include/reprise, in order: each includes only itself and rooms above it.
set(REPRISE_ROOMS
    core
    backend
    codec
    stats
    threshold
    distributed
    program
    eviction
    store
    planner
    scheduler
    run
    report)
