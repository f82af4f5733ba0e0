// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which of the last publications the host may look at.

#include <cstddef>
#include <cstdint>
#include <optional>

namespace reprise::inline v0 {

/// Counts what a device sends to the host and says where it lies: in as many slots as there are
/// publications on the way, and one more.
/// @tparam Delay publications between the one that the host reads and the last
template <std::size_t Delay>
class PublicationRing {
 public:
  /// Buffers to keep: one that the host reads, the others on their way.
  static constexpr std::size_t slots = Delay + 1;

  /// The slot of a publication, counted from 0.
  [[nodiscard]] static constexpr std::size_t slot(std::uint64_t publication) noexcept {
    return static_cast<std::size_t>(publication % slots);
  }

  /// The number of the publication that comes next; its slot is the one that `visible` said.
  [[nodiscard]] constexpr std::uint64_t next() const noexcept { return published_; }

  /// So many publications were made.
  constexpr void advance(std::uint64_t publications = 1) noexcept { published_ += publications; }

  /// The publication that the host reads, if there is one yet.
  [[nodiscard]] constexpr std::optional<std::uint64_t> visible() const noexcept {
    if (published_ <= Delay) return std::nullopt;
    return published_ - 1 - Delay;
  }

 private:
  std::uint64_t published_ = 0;
};

}  // namespace reprise::inline v0
