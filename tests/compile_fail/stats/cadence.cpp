// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// expect: Cadence

// A smoothing is no cadence: the policies stand in one order.

#include <reprise/stats/gradient_stat_tracker.hpp>

#ifdef REPRISE_POSITIVE
using Cadence = reprise::EverySteps;
#else
using Cadence = reprise::Ema;
#endif

using Tracker = reprise::GradientStatTracker<reprise::DefaultBackend, reprise::Ema, Cadence>;

void call() { const Tracker tracker(reprise::ObservedLayers{{true}}); }
