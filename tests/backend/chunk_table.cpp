// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/backend/chunk_table.hpp>
#include <reprise/core/error.hpp>
#include <vector>

#include "support/seed.hpp"

namespace {

using reprise::Chunk;
using reprise::ChunkTable;
using reprise::ElementType;
using reprise::GradientView;
using reprise::make_chunk_table;

std::uintptr_t address(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

// Nothing reads through the pointers, so that tensors may be larger than any memory.
GradientView tensor_at(std::uintptr_t at, std::size_t size, ElementType type, std::uint32_t layer) {
  return {reinterpret_cast<const void*>(at), size, type, layer};
}

std::vector<GradientView> random_views(std::mt19937_64& random, std::size_t layers) {
  std::vector<GradientView> views(random() % 30);
  std::uintptr_t at = 4096;
  for (GradientView& view : views) {
    const auto type = static_cast<ElementType>(random() % 4);
    const std::size_t bytes = reprise::element_bytes(type);
    at = (at + bytes - 1) / bytes * bytes + random() % 9 * bytes;
    const std::size_t most = std::size_t{1} << random() % 18U;
    const std::size_t size = random() % most;
    view = tensor_at(at, size, type, static_cast<std::uint32_t>(random() % layers));
    at += size * bytes;
  }
  return views;
}

}  // namespace

TEST_CASE("chunks hold every element once, in the order of layers and tensors") {
  REPRISE_SEEDED(random);
  constexpr std::size_t layers = 9;
  for (int round = 0; round < 100; ++round) {
    CAPTURE(round);
    const std::size_t chunk_bytes = 16 * (1 + random() % 300);
    const std::vector<GradientView> views = random_views(random, layers);
    const ChunkTable table = make_chunk_table(views, layers, chunk_bytes);
    REQUIRE(table.layers() == layers);
    REQUIRE(table.first_chunk.front() == 0);
    REQUIRE(table.first_chunk.back() == table.chunks.size());
    std::size_t elements = 0;
    std::size_t next = 0;
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      REQUIRE(table.first_chunk[layer] == next);
      for (const GradientView& view : views) {
        if (view.layer != layer) continue;
        std::uintptr_t expected = address(view.data);
        const std::uintptr_t end = expected + view.size * reprise::element_bytes(view.type);
        for (; expected < end; ++next) {
          REQUIRE(next < table.chunks.size());
          const Chunk& chunk = table.chunks[next];
          const std::size_t bytes = chunk.size * reprise::element_bytes(chunk.type);
          REQUIRE(address(chunk.data) == expected);
          REQUIRE(chunk.type == view.type);
          REQUIRE(bytes > 0);
          REQUIRE(bytes <= chunk_bytes);
          // Wide loads may start at each chunk but the first, and no chunk could be longer.
          const bool is_first = expected == address(view.data);
          REQUIRE((is_first || expected % 16 == 0));
          REQUIRE((expected + bytes == end || expected % 16 + bytes == chunk_bytes));
          expected += bytes;
        }
        REQUIRE(expected == end);
        elements += view.size;
      }
      REQUIRE(table.first_chunk[layer + 1] == next);
    }
    REQUIRE(table.elements == elements);
  }
}

TEST_CASE("a tensor has as many chunks as its bytes need, wherever it lies") {
  const auto count = [](std::uintptr_t at, std::size_t size, ElementType type) {
    const std::vector<GradientView> views{tensor_at(at, size, type, 0)};
    return make_chunk_table(views, 1, 1024).chunks.size();
  };
  CHECK(count(4096, 0, ElementType::float32) == 0);
  CHECK(count(4096, 1, ElementType::float32) == 1);
  CHECK(count(4096, 256, ElementType::float32) == 1);
  CHECK(count(4096, 257, ElementType::float32) == 2);
  CHECK(count(4100, 255, ElementType::float32) == 1);
  CHECK(count(4100, 256, ElementType::float32) == 2);
  CHECK(count(4110, 505, ElementType::bfloat16) == 1);
  CHECK(count(4110, 506, ElementType::float16) == 2);
}

TEST_CASE("lists without elements have no chunks") {
  CHECK(make_chunk_table({}, 0, 1024).layers() == 0);
  const std::vector<GradientView> empty{{nullptr, 0, ElementType::float32, 1}};
  const ChunkTable table = make_chunk_table(empty, 3, 1024);
  CHECK(table.layers() == 3);
  CHECK(table.chunks.empty());
  CHECK(table.elements == 0);
}

TEST_CASE("chunks that no device could take are refused") {
  const std::vector<GradientView> huge{tensor_at(4096, std::size_t{1} << 45U, {}, 0)};
  CHECK_THROWS_AS(static_cast<void>(make_chunk_table({}, 0, 0)), reprise::InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(make_chunk_table({}, 0, 24)), reprise::InvalidArgument);
  CHECK_THROWS_WITH_AS(static_cast<void>(make_chunk_table(huge, 1, 16)),
                       "8796093022208 chunks of 16 bytes, no grid has more than 2147483647",
                       reprise::InvalidArgument);
}
