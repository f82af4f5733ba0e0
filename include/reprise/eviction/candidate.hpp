// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a policy may ask about a value that could be evicted.

#include <cstdint>
#include <reprise/core/units.hpp>
#include <reprise/eviction/storage_graph.hpp>

namespace reprise::inline v0 {

/// What a policy may ask about a storage that could be evicted.
class Candidate {
 public:
  /// Borrows the graph, which it asks for costs when it is asked itself.
  Candidate(StorageGraph& graph, storage_id storage, byte_count bytes, std::uint64_t last_access,
            std::uint64_t clock) noexcept
      : graph_(&graph),
        storage_(storage),
        bytes_(bytes),
        last_access_(last_access),
        clock_(clock) {}

  /// What it takes.
  [[nodiscard]] byte_count bytes() const noexcept { return bytes_; }
  /// The clock when an operation last read it.
  [[nodiscard]] std::uint64_t last_access() const noexcept { return last_access_; }
  /// Now: the cost of all that has run, never wall time.
  [[nodiscard]] std::uint64_t clock() const noexcept { return clock_; }
  /// The cost of the operations that made it.
  [[nodiscard]] std::uint64_t cost() const noexcept { return graph_->cost(storage_); }
  /// The cost of the evicted storages that its recompute would lead to; needs
  /// `Neighbourhood::ancestors` or `exact`.
  [[nodiscard]] std::uint64_t evicted_ancestors() const {
    return graph_->evicted_ancestors(storage_);
  }
  /// The cost of the evicted storages whose recomputes lead to it; needs `Neighbourhood::exact`.
  [[nodiscard]] std::uint64_t evicted_descendants() const {
    return graph_->evicted_descendants(storage_);
  }
  /// The cost of the classes of its evicted neighbours; needs `Neighbourhood::classes`.
  [[nodiscard]] std::uint64_t evicted_classes() const { return graph_->evicted_classes(storage_); }

 private:
  StorageGraph* graph_;
  storage_id storage_;
  byte_count bytes_;
  std::uint64_t last_access_;
  std::uint64_t clock_;
};

}  // namespace reprise::inline v0
