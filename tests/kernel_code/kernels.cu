// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The kernels of a step, to be looked at as machine code.

#include <reprise/backend/cuda.cuh>
#include <reprise/stats/ema.hpp>

using Tuning = reprise::DefaultReductionTuning;
template __global__ void reprise::kernels::reduce_chunks<Tuning>(const reprise::Chunk*, double*);
template __global__ void reprise::kernels::reduce_layers<Tuning>(const double*,
                                                                 const std::uint32_t*, double*);
template __global__ void reprise::kernels::update_average<reprise::Ema>(
    reprise::Ema, reprise::KnownFactor, reprise::StatisticsLayout, const double*, double*, double*);
template __global__ void reprise::kernels::update_average<reprise::Ema>(reprise::Ema,
                                                                        reprise::DeviceLossScale,
                                                                        reprise::StatisticsLayout,
                                                                        const double*, double*,
                                                                        double*);
