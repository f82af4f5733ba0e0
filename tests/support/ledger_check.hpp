// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/program/schedule.hpp>
#include <reprise/store/action_event.hpp>
#include <string>

#include "support/counting_tensor.hpp"

namespace reprise_test {

/// Holds the ledger against the allocator before, inside and after each action, and keeps the first
/// difference in words.
struct LedgerCheck {
  CountingMemory& memory;
  std::uint64_t outside;  // the graph's input, which the engine holds
  std::size_t loss;       // the operation's number
  std::uint64_t during = 0;
  std::size_t losses = 0;
  bool counts_missing_gradients = false;  // then the ledger may say more than there is
  std::string fault{};

  void operator()(const reprise::ActionEvent& event) {
    const bool is_loss =
        event.action.kind == reprise::ActionKind::run && event.action.index == loss;
    if (event.moment == reprise::ActionEvent::Moment::before) {
      during = event.during_bytes;
      // The loss runs in the engine: when the library hears of it, it has made its gradients, and
      // the peak has been counted since it began (see `run_backward`).
      note(event, "before", memory.live, is_loss ? during : event.live_bytes);
      if (!is_loss) memory.peak = memory.live;
    } else {
      losses += is_loss ? 1 : 0;
      note(event, "after", memory.live, event.live_bytes);
      note(event, "inside", memory.peak, std::max(during, event.live_bytes));
    }
  }

 private:
  void note(const reprise::ActionEvent& event, const char* moment, std::uint64_t counted,
            std::uint64_t predicted) {
    if (!fault.empty() || counted - outside == predicted) return;
    if (counts_missing_gradients && counted - outside < predicted) return;
    fault = std::string(moment) +
            (event.action.kind == reprise::ActionKind::drop ? " drop of value " : " operation ") +
            std::to_string(event.action.index) + ": the ledger says " + std::to_string(predicted) +
            " bytes, the allocator " + std::to_string(counted - outside);
  }
};

}  // namespace reprise_test
