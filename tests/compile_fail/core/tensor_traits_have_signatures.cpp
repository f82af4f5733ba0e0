// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: std::uint64_t checksum\(.*std::uint64_t version\(.*std::size_t elements\(.*std::uint64_t
// signature\(.*static bool is_persistent\(
// joined: no

// What asks for a tensor that it may change is never asked of one that it may not.

#include <reprise/core/tensor_check.hpp>

struct Tensor {};

template <>
struct reprise::tensor_traits<Tensor> {
#ifdef REPRISE_POSITIVE
  using asked = const Tensor&;
#else
  using asked = Tensor&;
#endif
  static byte_count bytes(const Tensor&) { return 0; }
  static const void* storage(const Tensor&) { return nullptr; }
  static void accumulate(Tensor&, const Tensor&) {}
  static std::uint64_t checksum(asked) { return 0; }
  static std::uint64_t version(asked) { return 0; }
  static std::size_t elements(asked) { return 0; }
  static std::uint64_t signature(asked) { return 0; }
  static bool is_persistent(asked) { return false; }
};

static_assert(reprise::tensor_check::check_optional<Tensor>());
