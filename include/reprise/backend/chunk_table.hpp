// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Tensors of very different lengths, cut into pieces of one length.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/core/error.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// A piece of a tensor.
struct Chunk {
  const std::byte* data = nullptr;          ///< its first element, in the backend's memory
  std::uint32_t size = 0;                   ///< in elements
  ElementType type = ElementType::float32;  ///< of all its elements
};
static_assert(sizeof(Chunk) == 16, "a device loads it at once");

/// The chunks of all tensors, ordered by layer and within a layer as the tensors were given.
struct ChunkTable {
  std::vector<Chunk> chunks;  ///< those of layer l from `first_chunk[l]` on
  /// Where the chunks of each layer start, and the end: one more than there are layers.
  std::vector<std::uint32_t> first_chunk = {0};
  /// Of all tensors.
  std::size_t elements = 0;

  /// Layers, those without chunks included.
  [[nodiscard]] std::size_t layers() const noexcept { return first_chunk.size() - 1; }
};

/// Cuts tensors at the addresses that lie a multiple of `chunk_bytes` behind their first boundary
/// of 16 bytes or the one before it. So each chunk but the first of a tensor starts where wide
/// loads may, and no chunk is longer than `chunk_bytes`.
///
/// Linear in the number of tensors, chunks and layers.
/// @param gradients   have passed `check_gradients`
/// @param chunk_bytes a multiple of 16
/// @throws InvalidArgument for other chunks, and if there are more of them than 2^31 - 1
[[nodiscard]] inline ChunkTable make_chunk_table(std::span<const GradientView> gradients,
                                                 std::size_t layers, std::size_t chunk_bytes) {
  constexpr std::size_t boundary = 16;
  if (chunk_bytes == 0 || chunk_bytes % boundary != 0 ||
      chunk_bytes > std::numeric_limits<std::uint32_t>::max()) {
    throw InvalidArgument("chunks of " + std::to_string(chunk_bytes) +
                          " bytes: a multiple of 16 below 2^32 is due");
  }
  const auto before_boundary = [](const GradientView& view) {
    return reinterpret_cast<std::uintptr_t>(view.data) % boundary;
  };
  std::vector<std::size_t> counts(layers + 1);
  ChunkTable table;
  for (const GradientView& view : gradients) {
    if (view.size == 0) continue;
    const std::size_t bytes = before_boundary(view) + view.size * element_bytes(view.type);
    counts[view.layer + 1] += (bytes + chunk_bytes - 1) / chunk_bytes;
    table.elements += view.size;
  }
  std::partial_sum(counts.begin(), counts.end(), counts.begin());
  if (counts.back() > std::size_t{std::numeric_limits<std::int32_t>::max()}) {
    throw InvalidArgument(std::to_string(counts.back()) + " chunks of " +
                          std::to_string(chunk_bytes) + " bytes, no grid has more than 2147483647");
  }
  table.first_chunk.resize(counts.size());
  std::transform(counts.begin(), counts.end(), table.first_chunk.begin(),
                 [](std::size_t count) { return static_cast<std::uint32_t>(count); });
  table.chunks.resize(counts.back());
  for (const GradientView& view : gradients) {
    const auto* data = static_cast<const std::byte*>(view.data);
    std::size_t rest = view.size * element_bytes(view.type);
    std::size_t room = chunk_bytes - before_boundary(view);
    while (rest > 0) {
      const std::size_t bytes = std::min(room, rest);
      table.chunks[counts[view.layer]++] = {
          data, static_cast<std::uint32_t>(bytes / element_bytes(view.type)), view.type};
      data += bytes;
      rest -= bytes;
      room = chunk_bytes;
    }
  }
  return table;
}

}  // namespace reprise::inline v0
