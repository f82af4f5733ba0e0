// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: ChoosesSplit

#include <reprise/planner/chain/chain_reversal.hpp>

reprise::RunList runs(const reprise::LayerChain& chain) {
  return reprise::reverse_chain(chain, 1, [](const reprise::ChainSegment& segment) {
#ifdef REPRISE_POSITIVE
    return reprise::ChainChoice{.split = segment.first};
#else
    return segment.first;
#endif
  });
}
